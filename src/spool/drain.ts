/**
 * Brings what waits into the log, oldest first and each exactly once: one lane for each stream, so that a stream's order is
 * kept and a silent log is asked by few. `tail-writer` forgets what has landed. Newer events wait behind it.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import { streamOwner } from "../../protocol/ids.ts";
import type { Appended, EventLog } from "../log/event-log.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Guard } from "./guard.ts";
import { NotLetThrough, through } from "./guard.ts";
import type { Known } from "./known.ts";
import { isLogFailure, landAccepted } from "./landing.ts";
import type { Overlay, Waiting } from "./overlay.ts";
import type { TailWriter } from "./tail-writer.ts";

export interface DrainTerms {
  readonly log: EventLog;
  /** The breaker `log`. */
  readonly guard: Guard;
  readonly known: Known;
  readonly overlay: Overlay;
  readonly writer: TailWriter;
  readonly journal: Journal;
  /** Readers were shown places that are others in the log: they must begin anew. */
  readonly onMoved: () => Promise<void>;
}

/** Entries that are under way at once; while the log is on trial, one. */
const maxWindow = 64;

export class Drain {
  /** Events that went from the spool, or the memory, into the log. */
  drainedEvents = 0;
  /** Entries that took another place than they were given, or none. */
  conflicts = 0;
  readonly #terms: DrainTerms;
  #underWay: Promise<void> | undefined;

  constructor(terms: DrainTerms) {
    this.#terms = terms;
  }

  /** Goes on until nothing waits, or the log does not take it. Never rejects. */
  run(): Promise<void> {
    this.#underWay ??= this.#run().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #run(): Promise<void> {
    const { overlay, guard, writer, journal } = this.#terms;
    try {
      while (!overlay.isEmpty && guard.lets) {
        const window = overlay.order.slice(0, guard.state === "closed" ? maxWindow : 1);
        const moved = this.conflicts;
        const went = await Promise.all([...lanesOf(window)].map((lane) => this.#lane(lane)));
        if (this.conflicts > moved) await this.#terms.onMoved();
        await writer.forget();
        if (went.includes(false)) return;
      }
    } catch (cause) {
      journal.write("error", "spool.notDrained", { cause });
    }
  }

  /** False: the log does not take it now. */
  async #lane(lane: readonly Waiting[]): Promise<boolean> {
    const { log, guard } = this.#terms;
    for (const waiting of lane) {
      let answer: Appended;
      try {
        answer = await through(guard, () => landAccepted(log, waiting.entry.append), isLogFailure);
      } catch (cause) {
        // What the log cannot hold would stand in the way for ever.
        if (isLogFailure(cause) || cause instanceof NotLetThrough || !(await this.#bury(waiting, String(cause))))
          return false;
        continue;
      }
      if (answer.kind === "appended") this.#landed(waiting, answer);
      else if (!(await this.#bury(waiting, answer.kind))) return false;
    }
    return true;
  }

  #landed(waiting: Waiting, answer: Extract<Appended, { kind: "appended" }>): void {
    const { known, overlay } = this.#terms;
    const { append } = waiting.entry;
    known.noteAppend(append, answer);
    this.drainedEvents += append.events.length;
    if (overlay.land(waiting, answer.offset) !== 0) this.#conflict(waiting, "it took another place");
  }

  /** The log will never have it: it is kept apart and told, not lost. False: not now. */
  async #bury(waiting: Waiting, why: string): Promise<boolean> {
    const { log, overlay, journal } = this.#terms;
    const { stream, run, events } = waiting.entry.append;
    const reason = `it waited for the log, which refused it: ${why}`;
    try {
      for (const { type, data, time } of events)
        if (run !== undefined)
          await log.quarantine({ stream, tenantId: run.tenantId, runId: run.runId, type, data, reason, time });
    } catch {
      return false;
    }
    overlay.land(waiting, undefined);
    journal.write("error", "spool.refused", { ...streamOwner(stream), runId: run?.runId, events: events.length, why });
    this.#conflict(waiting, why);
    return true;
  }

  #conflict({ entry: { append, offset } }: Waiting, why: string): void {
    this.conflicts += 1;
    this.#terms.journal.write("error", "spool.conflict", { ...streamOwner(append.stream), offset, why });
  }
}

function lanesOf(window: readonly Waiting[]): Iterable<readonly Waiting[]> {
  const lanes = new Map<StreamKey, Waiting[]>();
  for (const waiting of window) {
    if (waiting.hasLanded) continue;
    const { stream } = waiting.entry.append;
    const lane = lanes.get(stream) ?? [];
    lanes.set(stream, lane);
    lane.push(waiting);
  }
  return lanes.values();
}
