/**
 * The heartbeat of one remote run: when nothing was heard of it for a while, it says that its runner is there, and
 * brings back whether somebody wants it to stop (L16). It beats while somebody holds the run, and keeps neither the
 * run nor the process alive.
 */
import type { Clock } from "../platform/clock.ts";

/** Of the time until the next beat, after one that failed: so that two more fit into the lease. */
const failedShare = 0.5;
const minBeatMs = 100;

export interface PulseTerms {
  readonly clock: Clock;
  /** The longest silence. */
  readonly everyMs: () => number;
  /** Rejects when it was not heard. */
  readonly beat: () => Promise<unknown>;
  /** Somebody may still speak for the run. */
  readonly isHeld: () => boolean;
  /** Called once: nobody does any more. */
  readonly onDropped: () => void;
}

export class Pulse {
  private readonly terms: PulseTerms;
  private dueMono: number;
  private cancelTimer: (() => void) | undefined;
  private isOver = false;

  constructor(terms: PulseTerms) {
    this.terms = terms;
    this.dueMono = terms.clock.mono() + terms.everyMs();
    this.arm();
  }

  /** The server has heard of the run, by whatever call; `sentMono` is when that left. */
  heard(sentMono: number): void {
    const dueMono = sentMono + this.terms.everyMs();
    const isSooner = dueMono < this.dueMono;
    this.dueMono = dueMono;
    // The timer is moved only towards us: when it comes too early it looks again.
    if (isSooner && !this.isOver && this.cancelTimer) this.arm();
  }

  end(): void {
    this.isOver = true;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
  }

  private arm(): void {
    const { clock } = this.terms;
    this.cancelTimer?.();
    this.cancelTimer = clock.after(Math.max(0, this.dueMono - clock.mono()), () => void this.look());
  }

  private async look(): Promise<void> {
    const { clock, beat, everyMs, isHeld, onDropped } = this.terms;
    this.cancelTimer = undefined;
    if (this.isOver) return;
    if (!isHeld()) return onDropped();
    if (clock.mono() >= this.dueMono) {
      const isHeard = await beat().then(
        () => true,
        () => false,
      );
      if (this.isOver) return;
      if (!isHeard) this.dueMono = clock.mono() + Math.max(minBeatMs, everyMs() * failedShare);
    }
    this.arm();
  }
}
