/**
 * Keeps the log from growing for ever: what is older than the retention goes, what has ended is compacted. One sweep at
 * a time, in slices with a rest between them, so that appends and reads always come through; what the log does not do
 * now it is asked again at the next sweep. What goes without an ack is said aloud (L10). Of several nodes one sweeps.
 */
import { streamOwner } from "../../protocol/ids.ts";
import { byTier } from "../../protocol/tier-rules.ts";
import type { EventLog } from "../log/event-log.ts";
import type { RetiredRange, RetireTiers } from "../log/housekeeping.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadlines } from "./deadlines.ts";
import { SweepTurn } from "./sweep-turn.ts";
import type { TierRetention } from "./tiers.ts";

export interface RetentionTerms {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly deadlines: Deadlines;
  readonly retentionMs: number;
  /** Undefined: `retentionMs` is everybody's. */
  readonly tiers: TierRetention | undefined;
  readonly compactAfterMs: number;
  /** What is acknowledged is not dead: acks that wait in memory are written before anything goes. */
  readonly saveCursors: () => Promise<void>;
  /** Of which tier a user is decides what goes: what was heard of that is written, too. */
  readonly saveClaims: () => Promise<void>;
}

export interface RetentionCounts {
  eventsRetired: number;
  eventsDeadLettered: number;
  deltasMerged: number;
}

/** Of one slice: 10 to 20 ms of the log's thread. */
const maxSliceEvents = 1_000;
/** Between two slices. */
const sliceRestMs = 25;
/** Between two sweeps at most; with short retentions a tenth of them, so that nothing stays much longer. */
const maxSweepMs = 60_000;
const sweepsPerRetention = 10;
/** Also where somebody keeps events for a second, or compacts at once. */
const minSweepMs = 250;
/** Streams that one line of the journal names. */
const maxNamedStreams = 10;

export class Retention {
  readonly counts: RetentionCounts = { eventsRetired: 0, eventsDeadLettered: 0, deltasMerged: 0 };
  private readonly terms: RetentionTerms;
  private readonly startNow: number;
  private readonly startMono: number;
  /** Undefined: nobody else sweeps. */
  private readonly turn: SweepTurn | undefined;
  private isStopped = false;

  constructor(terms: RetentionTerms) {
    this.terms = terms;
    this.startNow = terms.clock.now();
    this.startMono = terms.clock.mono();
    if (terms.log.isShared) this.turn = new SweepTurn(terms.log);
  }

  start(): void {
    const { deadlines, retentionMs, tiers, compactAfterMs } = this.terms;
    const shortest = Math.min(retentionMs, compactAfterMs, ...Object.values(tiers?.keptMs ?? {}));
    const sweepMs = Math.min(maxSweepMs, Math.max(shortest / sweepsPerRetention, minSweepMs));
    const sweepLater = (): void =>
      void deadlines.after(sweepMs, () => {
        void this.sweep().then(sweepLater);
      });
    sweepLater();
  }

  stop(): void {
    this.isStopped = true;
  }

  private async sweep(): Promise<void> {
    try {
      await this.terms.saveClaims();
      if (this.turn !== undefined && !(await this.turn.take())) return;
      await this.terms.saveCursors();
      await this.retire();
      await this.compact();
    } catch (cause) {
      // A log that is down says so itself; this one is for what nobody expects.
      this.terms.journal.write("warn", "retention.failed", { cause });
    }
  }

  private async retire(): Promise<void> {
    const { log, retentionMs } = this.terms;
    const nowMs = this.nowMs();
    const before = this.textOf(nowMs - retentionMs);
    const tiers = this.tiersAt(nowMs);
    for (let after: string | undefined; !this.isStopped; ) {
      const now = this.textOf(this.terms.clock.now());
      const { streams, next } = await log.retire({ before, tiers, now, maxEvents: maxSliceEvents, after });
      this.tell(streams);
      if (next === null) return;
      after = next;
      await this.rest();
    }
  }

  private tiersAt(nowMs: number): RetireTiers | undefined {
    const { tiers } = this.terms;
    if (tiers === undefined) return undefined;
    const { keptMs, ...who } = tiers;
    return { ...who, before: byTier((tier) => this.textOf(nowMs - keptMs[tier])) };
  }

  private async compact(): Promise<void> {
    const { log, compactAfterMs } = this.terms;
    const endedBefore = this.textOf(this.nowMs() - compactAfterMs);
    while (!this.isStopped) {
      const { merged, more } = await log.compact({ endedBefore, maxEvents: maxSliceEvents });
      this.counts.deltasMerged += merged;
      if (!more) return;
      await this.rest();
    }
  }

  private tell(ranges: readonly RetiredRange[]): void {
    for (const { from, upto } of ranges) this.counts.eventsRetired += upto + 1 - from;
    const dead = ranges.filter(({ deadLettered }) => deadLettered > 0);
    if (dead.length === 0) return;
    const events = dead.reduce((sum, { deadLettered }) => sum + deadLettered, 0);
    this.counts.eventsDeadLettered += events;
    const named = dead
      .slice(0, maxNamedStreams)
      .map(({ stream, from, upto, deadLettered }) => ({ ...streamOwner(stream), from, upto, events: deadLettered }));
    this.terms.journal.write("warn", "events.deadLettered", { events, streams: dead.length, named });
  }

  private rest(): Promise<void> {
    return new Promise((resolve) => void this.terms.deadlines.after(sliceRestMs, resolve));
  }

  /** A wall clock that jumps ahead retires nothing: it is believed as far as time has really passed (I14). */
  private nowMs(): number {
    const { clock } = this.terms;
    return Math.min(clock.now(), this.startNow + clock.mono() - this.startMono);
  }

  private textOf(ms: number): string {
    return new Date(ms).toISOString();
  }
}
