/**
 * The way of an append. `through`: to the log, through its breaker. When one fails, nothing more is let through until all
 * that is under way has an outcome, and what failed has been tried again (`settling`); if the log still takes nothing, that
 * and all behind it goes to the tail (`spooling`), until the tail is empty. So a stream's order is that of the calls.
 */
import type { Append, Appended, Bell, EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import { withOwnKey } from "./entry.ts";
import type { Guard, Passage } from "./guard.ts";
import { NotLetThrough, through } from "./guard.ts";
import type { Known } from "./known.ts";
import { isLogFailure, land, whereLanded } from "./landing.ts";
import type { LogReader } from "./log-reader.ts";
import type { Overlay } from "./overlay.ts";
import type { Caller, TailWriter } from "./tail-writer.ts";

export interface AppendsTerms {
  readonly log: EventLog;
  /** The breaker `log`. */
  readonly guard: Guard;
  readonly known: Known;
  readonly overlay: Overlay;
  readonly writer: TailWriter;
  readonly reader: LogReader;
  /** For what has landed without a bell: its answer was lost. */
  readonly ring: (bell: Bell) => void;
  readonly clock: Clock;
  readonly journal: Journal;
  /** Of appends that do not say. */
  readonly durability: "fsync" | "os";
  /** The tail has begun: it is to be drained from now on. */
  readonly onSpooling: () => void;
}

type Mode = "through" | "settling" | "spooling";

interface Failed extends Caller {
  /** In which order they were called. */
  readonly order: number;
}

/** Before each try but the first. */
const retryMs = [100, 200, 400] as const;
/** `performance` mode: one, at once. */
const quickRetryMs = [1] as const;
/** Appends that go into the spool at once. */
const maxBatch = 256;

export class Appends {
  #mode: Mode = "through";
  readonly #terms: AppendsTerms;
  #calls = 0;
  #underWay = 0;
  #failed: Failed[] = [];
  #waiting: Failed[] = [];
  #working: Promise<void> | undefined;
  #isHandingOver = false;
  readonly #onIdle: (() => void)[] = [];

  constructor(terms: AppendsTerms) {
    this.#terms = terms;
  }

  get mode(): Mode {
    return this.#mode;
  }

  append(wanted: Append): Promise<Appended> {
    const append = withOwnKey(wanted);
    this.#calls += 1;
    const order = this.#calls;
    const passage = this.#mode === "through" ? this.#terms.guard.enter() : undefined;
    if (passage !== undefined) return this.#send(append, order, passage);
    if (this.#mode === "through") this.#mode = "settling";
    return new Promise((resolve, reject) => {
      this.#waiting.push({ append, order, resolve, reject });
      this.#work();
    });
  }

  /** What a former process has left waits in front. */
  beginSpooling(): void {
    this.#mode = "spooling";
  }

  /** The tail was emptied: who calls now waits until what came meanwhile is in the log too, and goes on to it. */
  async handOver(drain: () => Promise<void>): Promise<void> {
    if (this.#mode !== "spooling") return;
    this.#isHandingOver = true;
    await this.#working;
    await drain();
    this.#isHandingOver = false;
    if (this.#terms.overlay.isEmpty && this.#terms.guard.state === "closed") this.#goThrough();
    else this.#work();
  }

  /** When all that was called has an answer. */
  async idle(): Promise<void> {
    while (this.#underWay > 0 || this.#waiting.length > 0 || this.#failed.length > 0)
      await new Promise<void>((resolve) => void this.#onIdle.push(resolve));
  }

  #send(append: Append, order: number, passage: Passage): Promise<Appended> {
    this.#underWay += 1;
    return this.#terms.log.append(append).then(
      (answer) => {
        passage.succeeded();
        return this.#answered(append, order, answer);
      },
      (cause: unknown) => {
        if (!isLogFailure(cause)) {
          passage.succeeded();
          this.#underWay -= 1;
          this.#work();
          this.#tellIdle();
          throw cause;
        }
        passage.failed();
        return this.#tryAgain(append, order);
      },
    );
  }

  #answered(append: Append, order: number, answer: Appended): Appended | Promise<Appended> {
    if (this.#failed.length > 0 && this.#isShadow(append, answer)) return this.#tryAgain(append, order);
    this.#underWay -= 1;
    if (answer.kind === "appended") this.#terms.known.noteAppend(append, answer);
    if (this.#mode !== "through") this.#work();
    this.#tellIdle();
    return answer;
  }

  /** It was refused only because what its run said before it has failed. */
  #isShadow({ run }: Append, { kind }: Appended): boolean {
    if (run === undefined || (kind !== "seq_conflict" && kind !== "no_run")) return false;
    return this.#failed.some(({ append }) => append.run?.runId === run.runId && append.run.tenantId === run.tenantId);
  }

  #tryAgain(append: Append, order: number): Promise<Appended> {
    if (this.#mode === "through") this.#mode = "settling";
    return new Promise((resolve, reject) => {
      this.#failed.push({ append, order, resolve, reject });
      this.#underWay -= 1;
      this.#work();
    });
  }

  #work(): void {
    if (this.#working !== undefined || this.#underWay > 0 || this.#isHandingOver || this.#mode === "through") return;
    if (this.#failed.length === 0 && this.#waiting.length === 0) return;
    this.#working = this.#workOn().finally(() => {
      this.#working = undefined;
      this.#work();
      this.#tellIdle();
    });
  }

  #tellIdle(): void {
    for (const tell of this.#onIdle.splice(0)) tell();
  }

  async #workOn(): Promise<void> {
    if (this.#mode === "settling") await this.#settle();
    while (this.#mode === "spooling" && !this.#isHandingOver && this.#waiting.length > 0)
      await this.#terms.writer.write(this.#waiting.splice(0, maxBatch));
  }

  /** Nothing is under way. */
  async #settle(): Promise<void> {
    this.#failed.sort((a, b) => a.order - b.order);
    const isQuick = ({ append }: Failed): boolean => (append.durability ?? this.#terms.durability) === "os";
    for (const ms of this.#failed.every(isQuick) ? quickRetryMs : retryMs) {
      if (this.#failed.length === 0 || !this.#terms.guard.lets) break;
      await new Promise<void>((resolve) => void this.#terms.clock.after(ms, resolve));
      if (await this.#retry()) break;
    }
    if (this.#failed.length > 0) await this.#findLanded();
    if (this.#failed.length === 0 && this.#terms.guard.lets) return this.#goThrough();
    this.#mode = "spooling";
    this.#terms.journal.write("error", "spool.begun", { appends: this.#failed.length + this.#waiting.length });
    this.#waiting = [...this.#failed, ...this.#waiting];
    this.#failed = [];
    this.#terms.onSpooling();
  }

  /** True: all that had failed has an answer. */
  async #retry(): Promise<boolean> {
    const { guard, log } = this.#terms;
    for (let next = this.#failed[0]; next !== undefined; next = this.#failed[0]) {
      try {
        this.#settled(next, await through(guard, () => land(log, next.append), isLogFailure));
      } catch (cause) {
        if (isLogFailure(cause) || cause instanceof NotLetThrough) return false;
        next.reject(cause);
      }
      this.#failed.shift();
    }
    return true;
  }

  /** What has landed all the same keeps the place that it has; the others come behind it. */
  async #findLanded(): Promise<void> {
    const { log, reader } = this.#terms;
    try {
      for (const failed of [...this.#failed]) {
        const landed = await reader.ask(() => whereLanded(log, failed.append));
        if (landed === undefined) continue;
        this.#settled(failed, landed);
        this.#failed.splice(this.#failed.indexOf(failed), 1);
      }
    } catch {
      // Nobody can tell now: the drain finds out.
    }
  }

  #settled({ append, resolve }: Failed, answer: Appended): void {
    if (answer.kind === "appended") {
      const { epoch, offset: head } = answer;
      this.#terms.known.noteAppend(append, answer);
      this.#terms.ring({ stream: append.stream, epoch, head });
    }
    resolve(answer);
  }

  /** In the order in which they came, and before anything newer. */
  #goThrough(): void {
    this.#mode = "through";
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { append, order, resolve, reject } of waiting) {
      const passage = this.#mode === "through" ? this.#terms.guard.enter() : undefined;
      if (passage === undefined) {
        if (this.#mode === "through") this.#mode = "settling";
        this.#waiting.push({ append, order, resolve, reject });
      } else this.#send(append, order, passage).then(resolve, reject);
    }
  }
}
