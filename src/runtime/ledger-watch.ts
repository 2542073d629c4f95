/**
 * The ledger of all users, recomputed from the log at a slow pace: what the metric and the alert on its difference are
 * read from. A log is read as a whole for it, in parts between which others come through.
 */
import type { EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { Deadlines } from "./deadlines.ts";

const firstAfterMs = 30_000;
const leastPauseMs = 600_000;
/** The log spends at most one part in so many on it. */
const pausePerDuration = 50;
/** A difference that is none at a second look was a write under way. */
const againMs = 5_000;
const msPerSecond = 1_000;

export interface LedgerWatchTerms {
  readonly log: Pick<EventLog, "ledger">;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

export class LedgerWatch {
  private readonly terms: LedgerWatchTerms;
  private known: { readonly difference: number; readonly atMono: number } | undefined;
  private suspected: number | undefined;

  constructor(terms: LedgerWatchTerms) {
    this.terms = terms;
  }

  /** Until the wheel stops. */
  start(): void {
    this.after(firstAfterMs);
  }

  /** accepted − (acked + stored + dead-lettered), when it was last recomputed; undefined before the first time. */
  get difference(): number | undefined {
    return this.known?.difference;
  }

  get ageSeconds(): number | undefined {
    return this.known && (this.terms.clock.mono() - this.known.atMono) / msPerSecond;
  }

  private after(ms: number): void {
    this.terms.deadlines.after(ms, () => void this.recompute());
  }

  private async recompute(): Promise<void> {
    const { log, clock } = this.terms;
    const startMono = clock.mono();
    try {
      const { accepted, acked, stored, deadLettered } = await log.ledger();
      const difference = accepted - acked - stored - deadLettered;
      const isSettled = difference === 0 || difference === this.suspected;
      this.suspected = difference;
      if (!isSettled) return this.after(againMs);
      this.known = { difference, atMono: clock.mono() };
    } catch {
      // A log that does not answer says so itself; the age of the last answer grows.
    }
    this.after(Math.max(leastPauseMs, (clock.mono() - startMono) * pausePerDuration));
  }
}
