/**
 * Writes the tail: what comes while the log takes nothing goes to the spool, and is answered when that has it; when the
 * spool takes nothing either, what belongs to a living run is held in memory and marked. `appends` hands over what has
 * queued, a batch at a time; `drain` brings it into the log.
 */
import { LogUnavailable } from "../errors.ts";
import { logRetryAfterMs } from "../log/closed.ts";
import type { Append, Appended, Bell } from "../log/event-log.ts";
import type { Journal } from "../telemetry/journal.ts";
import { type Entry, entryBytes, entryText } from "./entry.ts";
import { type Guard, NotLetThrough, through } from "./guard.ts";
import type { SpoolMark, SpoolState } from "./mark.ts";
import type { Waiting } from "./overlay.ts";
import { type Spool, SpoolLost } from "./spool.ts";
import { Staging, type StagingTerms } from "./staging.ts";

export interface Rungs {
  readonly spool: () => boolean;
  readonly direct: () => boolean;
}

export interface TailWriterTerms extends StagingTerms {
  readonly spool: Spool;
  /** The breaker `spool`. */
  readonly guard: Guard;
  /** Undefined: nothing is delivered that nothing durable holds. */
  readonly mark: SpoolMark | undefined;
  /** Operators may switch a rung off while the server runs: what is next to it is used. */
  readonly allows: Rungs;
  readonly journal: Journal;
  readonly ring: (bell: Bell) => void;
  /** Of all that waits; it is held in memory for those who read. Units: bytes. */
  readonly maxTailBytes: number;
  /** Of what only the memory holds. Units: bytes. */
  readonly maxDirectBytes: number;
}

/** A call of `append` that waits for its answer. */
export interface Caller {
  readonly append: Append;
  readonly resolve: (answer: Appended) => void;
  readonly reject: (cause: unknown) => void;
}

type Verdict = {
  readonly caller: Caller;
  readonly entry?: Entry;
  readonly refused?: Appended;
  readonly cause?: unknown;
};

export class TailWriter {
  /** Events that were handed out without durability, ever. */
  directEvents = 0;
  readonly #terms: TailWriterTerms;
  #directBytes = 0;
  #marked: SpoolState;
  /** Landed, and still at the spool's front. */
  #debt = 0;
  /** What an append that failed has left in the spool may still be there. */
  #isUnclean = false;
  #line: Promise<unknown> = Promise.resolve();

  constructor(terms: TailWriterTerms) {
    this.#terms = terms;
    this.#marked = terms.mark?.before ?? "clean";
  }

  /** Only the memory holds a part of it. */
  get isDirect(): boolean {
    return this.#directBytes > 0;
  }

  /** The spool holds what it need not. */
  get hasDebt(): boolean {
    return this.#debt > 0 || this.#isUnclean;
  }

  /** Settles every caller. Never rejects. */
  write(callers: readonly Caller[]): Promise<void> {
    return this.#inTurn(async () => {
      const { overlay, maxTailBytes } = this.#terms;
      const { verdicts, entries } = await this.#stage(callers, false, maxTailBytes - overlay.bytes);
      try {
        await this.#toSpool(entries);
      } catch (cause) {
        return this.#hold(callers, cause);
      }
      this.#answer(verdicts, true);
    });
  }

  /** Sees to it that the spool has what it should have. Never rejects. */
  secure(): Promise<void> {
    return this.#inTurn(() => this.#toSpool([]).catch(() => {}));
  }

  /** Takes what has landed out of the spool; what it does not let go now it is asked for again. Never rejects. */
  forget(): Promise<void> {
    return this.#inTurn(async () => {
      const { overlay, spool, guard } = this.#terms;
      this.#debt += overlay.shift();
      if (this.isDirect) this.#directBytes = sumBytes(overlay.order.filter(isHeld));
      const debt = this.#debt;
      if (debt > 0) {
        try {
          await through(guard, () => spool.remove(debt));
        } catch (cause) {
          if (!(cause instanceof SpoolLost)) return;
          this.#lost(cause);
          this.#debt = debt;
        }
        this.#debt -= debt;
      }
      await this.#mark(this.isDirect ? "direct" : overlay.isEmpty && !this.hasDebt ? "clean" : "spooling");
    });
  }

  /** One after the other: what stands in the spool and what is counted to stand there are the same. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#line.then(work);
    this.#line = turn.catch(() => {});
    return turn;
  }

  async #stage(callers: readonly Caller[], isDirect: boolean, roomBytes: number) {
    const staging = new Staging(this.#terms);
    const verdicts: Verdict[] = [];
    let bytes = 0;
    for (const caller of callers) {
      try {
        if (isDirect && caller.append.run?.create !== undefined)
          throw unavailable("neither the log nor the spool takes a new run now");
        if (bytes > roomBytes) throw unavailable("more waits for the log than there is room for");
        const placed = await staging.place(caller.append);
        if ("kind" in placed) verdicts.push({ caller, refused: placed });
        else {
          bytes += entryBytes(placed);
          verdicts.push({ caller, entry: placed });
        }
      } catch (cause) {
        verdicts.push({ caller, cause });
      }
    }
    return { verdicts, entries: staging.entries };
  }

  /** What only the memory holds goes first: it was accepted before. */
  async #toSpool(entries: readonly Entry[]): Promise<void> {
    const { overlay, spool, guard, allows } = this.#terms;
    const held = overlay.order.filter(isHeld);
    if (entries.length + held.length > 0 && !allows.spool()) throw new NotLetThrough("the spool is switched off");
    if (entries.length === 0 && overlay.isEmpty && !this.#isUnclean) return;
    if (this.#marked === "clean") await this.#mark("spooling");
    const texts = [...held.map(({ entry }) => entryText(entry)), ...entries.map(entryText)];
    try {
      await through(guard, () => spool.append(texts));
      this.#isUnclean = false;
    } catch (cause) {
      this.#isUnclean ||= !(cause instanceof NotLetThrough || cause instanceof SpoolLost);
      if (!(cause instanceof SpoolLost)) throw cause;
      this.#lost(cause);
      return this.#toSpool(entries);
    }
    for (const waiting of held) overlay.confirm(waiting);
    if (!this.isDirect) return;
    this.#directBytes = 0;
    this.#terms.journal.write("info", "direct.ended", { events: sumEvents(held), into: "spool" });
    await this.#mark("spooling");
  }

  /** The spool has begun anew: all that has not landed goes into it again, and until then only the memory has it. */
  #lost(cause: SpoolLost): void {
    const { overlay, journal } = this.#terms;
    for (const waiting of overlay.order) waiting.isSpooled = false;
    this.#debt = 0;
    this.#directBytes = sumBytes(overlay.order);
    journal.write("error", "spool.lost", { cause, events: overlay.eventCount });
    void this.#mark("direct");
  }

  /** Neither the log nor the spool has it: it goes to who is there, marked, or it is refused. */
  async #hold(callers: readonly Caller[], cause: unknown): Promise<void> {
    const { journal, mark, maxDirectBytes, allows } = this.#terms;
    try {
      // A hole that could not be declared would be a silent one.
      if (mark === undefined || !allows.direct()) throw cause;
      if (this.#marked !== "direct") {
        await mark.write("direct");
        this.#marked = "direct";
        journal.write("error", "direct.begun", { cause });
      }
    } catch (failed) {
      const refusal = unavailable("neither the log nor the spool takes it", failed);
      for (const caller of callers) caller.reject(refusal);
      return;
    }
    const { verdicts } = await this.#stage(callers, true, maxDirectBytes - this.#directBytes);
    this.#answer(verdicts, false);
  }

  #answer(verdicts: readonly Verdict[], isSpooled: boolean): void {
    const { overlay, ring } = this.#terms;
    for (const { caller, entry, refused, cause } of verdicts) {
      if (refused !== undefined) caller.resolve(refused);
      else if (entry === undefined) caller.reject(cause);
      else {
        const { epoch, offset, seq, fence, append } = entry;
        const events = overlay.add(entry, isSpooled);
        ring({ stream: append.stream, epoch, head: events.at(-1)?.offset ?? offset, events });
        if (!isSpooled) {
          this.#directBytes += entryBytes(entry);
          this.directEvents += events.length;
        }
        caller.resolve({ kind: "appended", epoch, offset, seq, fence, ...(!isSpooled && { durability: "none" }) });
      }
    }
  }

  /** Not for `direct`: that one must stand before anything is handed out. What is not said here errs on the safe side. */
  async #mark(state: SpoolState): Promise<void> {
    if (this.#marked === state) return;
    await this.#terms.mark?.write(state).catch(() => {});
    this.#marked = state;
  }
}

const unavailable = (message: string, cause?: unknown): LogUnavailable =>
  new LogUnavailable({ message, retryAfterMs: logRetryAfterMs, cause });

const isHeld = ({ isSpooled }: Waiting): boolean => !isSpooled;

function sumBytes(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { entry }) => sum + entryBytes(entry), 0);
}

function sumEvents(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { entry }) => sum + entry.append.events.length, 0);
}
