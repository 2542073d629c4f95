/**
 * The lease of one living run (L16): renewed by whatever its runner says, lost when the runner is silent, and after
 * the grace period the run is interrupted. Time that waits for a human does not count. All on the one wheel.
 */
import type { Clock } from "../platform/clock.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";

export interface LeaseTerms {
  readonly leaseMs: number;
  readonly graceMs: number;
  /** The runner lives in this process and is still there, or is heard right now: it renews by itself. */
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
  /** When the grace period ends; it begins when the owner is told, also after the process itself has slept. */
  private lostMono = Number.POSITIVE_INFINITY;
  private isOver = false;
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
    if (this.isOver) return;
    this.untilMono = this.clock.mono() + this.terms.leaseMs;
    if (!this.isStalled) return;
    this.isStalled = false;
    this.deadline.moveTo(this.untilMono);
    this.terms.onStalled(false);
  }

  /** Nobody has been heard for as long as the lease lasts: what is left is the grace period. */
  lapse(): void {
    if (this.isOver || this.isStalled) return;
    this.untilMono = this.clock.mono();
    this.check();
  }

  /** The same, when the owner has been told already. */
  goOnStalled(): void {
    this.isStalled = true;
    this.untilMono = this.clock.mono();
    this.lostMono = this.untilMono + this.terms.graceMs;
    this.deadline.moveTo(this.lostMono);
  }

  end(): void {
    this.isOver = true;
    this.deadline.cancel();
    // `isStalled` stays as it was: a desk that goes on with this run asks.
    if (this.isStalled) this.terms.onStalled(false);
  }

  private check(): void {
    const { terms, clock } = this;
    if (terms.runnerIsHere() || terms.isWaiting()) this.renew();
    const nowMono = clock.mono();
    if (nowMono < this.untilMono) return this.deadline.moveTo(this.untilMono);
    if (this.isStalled) {
      if (nowMono >= this.lostMono) terms.onLost();
      else this.deadline.moveTo(this.lostMono);
      return;
    }
    this.lostMono = nowMono + terms.graceMs;
    this.deadline.moveTo(this.lostMono);
    this.isStalled = true;
    terms.onStalled(true);
  }
}
