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
  /**
   * Asks whether the runner was heard by another process, and renews then. Undefined: nobody else can hear it.
   *
   * Fails: `LogUnavailable`: nobody is called silent for that.
   */
  readonly ask?: (() => Promise<void>) | undefined;
}

/** Between two questions, while the log does not answer. */
const askAgainMs = 1_000;

export class Lease {
  isStalled = false;
  private readonly clock: Clock;
  private readonly terms: LeaseTerms;
  private untilMono: number;
  /** When the grace period ends; it begins when the owner is told, also after the process itself has slept. */
  private lostMono = Number.POSITIVE_INFINITY;
  private isOver = false;
  private isAsking = false;
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

  /** The runner has been silent for the lease and the grace. */
  get isLost(): boolean {
    return this.isStalled && this.clock.mono() >= this.lostMono;
  }

  end(): void {
    this.isOver = true;
    this.deadline.cancel();
    // `isStalled` stays as it was: a desk that goes on with this run asks.
    if (this.isStalled) this.terms.onStalled(false);
  }

  private check(): void {
    const { terms, clock } = this;
    // What another process was told may have ended the wait.
    if (terms.runnerIsHere() || (terms.ask === undefined && terms.isWaiting())) this.renew();
    const nowMono = clock.mono();
    if (nowMono < this.untilMono) return this.deadline.moveTo(this.untilMono);
    if (this.isStalled && nowMono < this.lostMono) return this.deadline.moveTo(this.lostMono);
    if (terms.ask === undefined) this.conclude();
    else this.askFirst(terms.ask);
  }

  private askFirst(ask: () => Promise<void>): void {
    if (this.isAsking) return;
    this.isAsking = true;
    ask().then(
      () => {
        this.isAsking = false;
        if (this.isOver) return;
        if (this.terms.runnerIsHere() || this.terms.isWaiting()) this.renew();
        if (this.clock.mono() < this.untilMono) this.deadline.moveTo(this.untilMono);
        else this.conclude();
      },
      () => {
        this.isAsking = false;
        this.deadline.moveTo(this.clock.mono() + askAgainMs);
      },
    );
  }

  /** It is silent. */
  private conclude(): void {
    if (this.isStalled) return this.terms.onLost();
    this.lostMono = this.clock.mono() + this.terms.graceMs;
    this.deadline.moveTo(this.lostMono);
    this.isStalled = true;
    this.terms.onStalled(true);
  }
}
