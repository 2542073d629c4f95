/**
 * Whether the other side is still there. The server's own pings are answered below the API and cannot be seen in a
 * browser, and a half-open link says OPEN for a long time: so the client asks for itself (FAULTS 15).
 */
import type { Timers } from "./timers.ts";

export interface HeartbeatOutput {
  readonly ping: () => void;
  readonly dead: () => void;
}

/** Pings in a row without any frame after them. */
const maxMissedPings = 2;
/**
 * A frame shows only when all of it has come, and one large event on a slow line can take longer than that. Each link
 * in a row that was given up without a word doubles the patience, up to this many times: 8 minutes at 15 s.
 */
const maxDoublings = 4;
/** No server may make a client ping without pause. */
const minEveryMs = 1_000;
/** How long an answer may take when there is reason to doubt the link: the machine slept, the network changed. */
const probeMs = 5_000;

export class Heartbeat {
  readonly #timers: Timers;
  readonly #output: HeartbeatOutput;
  #everyMs = 0;
  #unanswered = 0;
  #givenUp = 0;
  #cancel: (() => void) | undefined;

  constructor(timers: Timers, output: HeartbeatOutput) {
    this.#timers = timers;
    this.#output = output;
  }

  start(everyMs: number): void {
    this.#everyMs = Math.max(everyMs, minEveryMs);
    this.heard();
    this.#schedule(this.#everyMs);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /**
   * Any frame will do as an answer. `isSmall`: one that comes right behind the welcome on every link, and says nothing of
   * whether the line carries what is large.
   */
  heard(isSmall = false): void {
    this.#unanswered = 0;
    if (this.#cancel !== undefined && !isSmall) this.#givenUp = 0;
  }

  /** Asks now, and takes one unanswered ping for a dead link. */
  probe(): void {
    if (this.#cancel === undefined) return;
    this.#unanswered = Number.POSITIVE_INFINITY;
    this.#output.ping();
    this.#schedule(Math.min(probeMs, this.#everyMs));
  }

  #schedule(delayMs: number): void {
    this.#cancel?.();
    this.#cancel = this.#timers.after(delayMs, () => {
      if (this.#unanswered >= maxMissedPings * 2 ** Math.min(this.#givenUp, maxDoublings)) {
        if (Number.isFinite(this.#unanswered)) this.#givenUp += 1;
        this.stop();
        this.#output.dead();
        return;
      }
      this.#unanswered += 1;
      this.#output.ping();
      this.#schedule(this.#everyMs);
    });
  }
}
