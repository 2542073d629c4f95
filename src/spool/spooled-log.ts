/**
 * The log with its spool: between the adapter and the runtime, which sees one log. "The spool is the tail of the log": what
 * is accepted while the log takes nothing has its place, is read, rung for and delivered like anything else, and is in the
 * log as soon as that takes it. docs/decisions/0017 says why.
 */
import { LogUnavailable } from "../errors.ts";
import { bells } from "../log/bells.ts";
import { logClosed, logRetryAfterMs } from "../log/closed.ts";
import type { Appended, Bell, EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import { Appends } from "./appends.ts";
import { Drain } from "./drain.ts";
import type { Guard } from "./guard.ts";
import { NotLetThrough, through } from "./guard.ts";
import { HeldCursors } from "./held-cursors.ts";
import { Incarnation } from "./incarnation.ts";
import { Known } from "./known.ts";
import { isLogFailure } from "./landing.ts";
import { LogReader } from "./log-reader.ts";
import type { SpoolMark } from "./mark.ts";
import { mergedReads } from "./merged-reads.ts";
import { Overlay } from "./overlay.ts";
import { takeUp } from "./recovery.ts";
import type { Spool } from "./spool.ts";
import { type Rungs, TailWriter } from "./tail-writer.ts";

export interface SpooledLogTerms {
  readonly spool: Spool;
  readonly mark?: SpoolMark | undefined;
  /** The breakers `log` and `spool`. */
  readonly guards: { readonly log: Guard; readonly spool: Guard };
  readonly clock: Clock;
  readonly journal: Journal;
  /** What may be used. Default: both. */
  readonly allows?: Rungs | undefined;
  /** Of appends that do not say. Default `fsync`. */
  readonly durability?: "fsync" | "os" | undefined;
  /** What may wait for the log. Default 256 MiB, and of that 64 MiB that only the memory holds. */
  readonly maxTailBytes?: number | undefined;
  readonly maxDirectBytes?: number | undefined;
  /** Readers were shown a history that the log will not have: they must come again. */
  readonly onNewEpoch?: (() => void) | undefined;
}

export interface SpoolHealth {
  readonly spoolEvents: number;
  readonly spoolBytes: number;
  readonly eventsDrained: number;
  readonly eventsDirect: number;
  readonly spoolConflicts: number;
}

export const noSpool: SpoolHealth = {
  ...{ spoolEvents: 0, spoolBytes: 0 },
  ...{ eventsDrained: 0, eventsDirect: 0, spoolConflicts: 0 },
};

export interface SpooledLog extends EventLog {
  /** Takes up what a former process has left; nothing else is asked before. Fails: `LogUnavailable`. */
  recover(): Promise<void>;
  spoolHealth(): SpoolHealth;
  /** Tries no more: its end is near. What waits stays in the spool. */
  rest(): Promise<void>;
}

const allRungs: Rungs = { spool: () => true, direct: () => true };
const defaultTailBytes = 256 * 2 ** 20;
const defaultDirectBytes = 64 * 2 ** 20;
/** Between two tries to bring the tail into the log. */
const drainMs = 1_000;

export function spooledLog(log: EventLog, terms: SpooledLogTerms): SpooledLog {
  const { spool, mark, guards, clock, journal } = terms;
  const known = new Known();
  const overlay = new Overlay();
  const held = new HeldCursors();
  const reader = new LogReader(clock);
  const incarnation = new Incarnation(log, clock.random);
  const listeners = bells((cause) => journal.write("error", "bell.listenerFailed", { cause }));
  const common = { log, known, overlay, journal, guard: guards.log };
  const ring = (bell: Bell): void => listeners.ring(incarnation.shown(bell));
  const bounds = {
    allows: terms.allows ?? allRungs,
    maxTailBytes: terms.maxTailBytes ?? defaultTailBytes,
    maxDirectBytes: terms.maxDirectBytes ?? defaultDirectBytes,
  };
  const writer = new TailWriter({ ...common, ...bounds, guard: guards.spool, reader, spool, mark, ring });
  const drain = new Drain({ ...common, writer, onMoved });
  const appends = new Appends({
    ...common,
    ...{ writer, reader, ring, clock, durability: terms.durability ?? "fsync" },
    onSpooling: workLater,
  });
  const reads = mergedReads({ log, known, overlay, held });
  let cancelWork: (() => void) | undefined;
  let isResting = false;
  let isClosed = false;
  const unwatch = log.watch((bell) => {
    const { stream, epoch, head, escalated } = bell;
    if (appends.mode !== "spooling") ring(bell);
    // What the drain brings in was rung for when it was accepted; its rows in the outbox are there only now.
    else if (escalated !== undefined) ring({ stream, epoch, head, escalated });
  });

  async function onMoved(): Promise<void> {
    if (known.epoch === undefined) return;
    await incarnation.renew(known.epoch, false);
    terms.onNewEpoch?.();
  }

  function workLater(): void {
    if (isResting || cancelWork !== undefined) return;
    cancelWork = clock.after(drainMs, () => {
      cancelWork = undefined;
      void work();
    });
  }

  /** As long as something waits, and once more when nothing does. */
  async function work(): Promise<void> {
    const before = drain.drainedEvents;
    if (appends.mode === "spooling") {
      await drain.run();
      await writer.secure();
      if (overlay.isEmpty) await appends.handOver(() => drain.run());
      const events = drain.drainedEvents - before;
      if (overlay.isEmpty && events > 0) journal.write("info", "spool.drained", { events });
    }
    if (writer.hasDebt) {
      await writer.secure();
      await writer.forget();
    }
    if (overlay.isEmpty && !held.isEmpty) await saveHeld();
    if (appends.mode !== "through" || writer.hasDebt || !held.isEmpty) workLater();
  }

  async function saveHeld(): Promise<void> {
    const cursors = held.take();
    await guarded(() => log.saveCursors(cursors)).catch(() => held.hold(cursors));
  }

  /** A write that has no place in the tail. */
  async function guarded<Value>(call: () => Promise<Value>): Promise<Value> {
    try {
      return await through(guards.log, call, isLogFailure);
    } catch (cause) {
      throw cause instanceof NotLetThrough ? waits("the log does not answer") : cause;
    }
  }

  const shownBy =
    <Input extends readonly unknown[], Answer extends { readonly epoch: Bell["epoch"] }>(
      call: (...input: Input) => Promise<Answer>,
    ) =>
    async (...input: Input): Promise<Answer> =>
      incarnation.shown(await call(...input));
  const position = shownBy(reads.position);
  const isAtRest = (): boolean => overlay.isEmpty && appends.mode === "through" && !writer.hasDebt;

  return {
    ...log,
    ...reads,
    position: (stream) => (isClosed ? Promise.reject(logClosed()) : position(stream)),
    read: shownBy(reads.read),
    living: shownBy(reads.living),
    append: (append) => {
      if (isClosed) return Promise.reject(logClosed());
      return incarnation.isLogs ? appends.append(append) : appends.append(append).then(shownAppend);
    },
    // A fence must not be handed out that a spooled event would not know.
    claim: async (tenantId, runId) => {
      if (appends.mode !== "through") throw waits("a run cannot be claimed while events wait for the log");
      const claimed = await guarded(() => log.claim(tenantId, runId));
      if (claimed !== undefined) known.noteClaim(tenantId, runId, claimed.fence);
      return claimed;
    },
    saveCursors: async (cursors) => {
      if (isClosed) throw logClosed();
      if (isAtRest()) return guarded(() => log.saveCursors(cursors));
      held.hold(cursors.filter(({ stream, offset }) => offset <= headOf(stream)));
      workLater();
    },
    quarantine: (entry) => guarded(() => log.quarantine(entry)),
    moveOutbox: (move) => guarded(() => log.moveOutbox(move)),
    putDocument: (put) => guarded(() => log.putDocument(put)),
    // Where something waits, nothing is moved under it.
    retire: async (ask) => (isAtRest() ? guarded(() => log.retire(ask)) : { streams: [], next: null }),
    compact: async (ask) => (isAtRest() ? guarded(() => log.compact(ask)) : { merged: 0, more: false }),
    watch: (listener) => listeners.watch(listener),
    async recover() {
      await takeUp({ ...common, reader, spool, mark, incarnation });
      if (overlay.isEmpty) return writer.forget();
      appends.beginSpooling();
      await work();
    },
    async close() {
      isClosed = true;
      await appends.idle();
      cancelWork?.();
      unwatch();
      await log.close();
      listeners.clear();
    },
    spoolHealth: () => ({
      spoolEvents: overlay.eventCount,
      spoolBytes: overlay.bytes,
      eventsDrained: drain.drainedEvents,
      eventsDirect: writer.directEvents,
      spoolConflicts: drain.conflicts,
    }),
    async rest() {
      isResting = true;
      cancelWork?.();
      // One more try: what only the memory holds is gone with the process.
      if (appends.mode === "spooling") await drain.run();
      await writer.secure();
      unwatch();
    },
  };

  function headOf(stream: Bell["stream"]): number {
    const tail = overlay.stream(stream);
    if (tail !== undefined) return tail.base + tail.events.length;
    return known.stream(stream)?.head ?? Number.POSITIVE_INFINITY;
  }

  function shownAppend(answer: Appended): Appended {
    return answer.kind === "appended" ? incarnation.shown(answer) : answer;
  }
}

const waits = (message: string): LogUnavailable => new LogUnavailable({ message, retryAfterMs: logRetryAfterMs });
