/**
 * The lease of one living run (L16): renewed by whatever its runner says, lost when the runner is silent, and after
 * the grace period the run is interrupted. Time that waits for a human does not count. Also the deadline of a
 * requested cancellation. All on the one wheel.
 */
import type { Clock } from "../platform/clock.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";

export interface LeaseTerms {
  readonly leaseMs: number;
  readonly graceMs: number;
  /** The runner lives in this process and is still there: it renews by itself. */
  readonly runnerIsHere: () => boolean;
  /** The run waits for a human: its runner owes nothing. */
  readonly isWaiting: () => boolean;
  readonly onStalled: (stalled: boolean) => void;
  readonly onLost: () => void;
}

export class Lease {
  isStalled = false;
  private readonly clock: Clock;
  private readonly terms: LeaseTerms;
  private untilMono: number;
  private readonly deadline: Deadline;

  constructor(clock: Clock, deadlines: Deadlines, terms: LeaseTerms) {
    this.clock = clock;
    this.terms = terms;
    this.untilMono = clock.mono() + terms.leaseMs;
    this.deadline = deadlines.at(this.untilMono, () => this.check());
  }

  /** Milliseconds since 1970. */
  get untilMs(): number {
    return this.clock.now() + Math.max(0, this.untilMono - this.clock.mono());
  }

  /** The runner was heard. The wheel is not touched: it looks again when the old deadline comes up. */
  renew(): void {
    this.untilMono = this.clock.mono() + this.terms.leaseMs;
    if (!this.isStalled) return;
    this.isStalled = false;
    this.deadline.moveTo(this.untilMono);
    this.terms.onStalled(false);
  }

  end(): void {
    this.deadline.cancel();
  }

  private check(): void {
    const { terms, clock } = this;
    if (terms.runnerIsHere() || terms.isWaiting()) this.renew();
    const nowMono = clock.mono();
    if (nowMono < this.untilMono) return this.deadline.moveTo(this.untilMono);
    const lostMono = this.untilMono + terms.graceMs;
    if (nowMono >= lostMono) return terms.onLost();
    this.deadline.moveTo(lostMono);
    this.isStalled = true;
    terms.onStalled(true);
  }
}
