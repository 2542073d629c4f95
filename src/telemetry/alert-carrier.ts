/**
 * Carries alerts to one sink, in order: behind the breaker `system-alert`, again after a pause that doubles while the
 * other side does not take them. Stands between the alert board and `fallback/system-alert`; it waits for nobody's sake.
 */
import type { Breaker } from "../runtime/breakers.ts";
import { CircuitOpen } from "../runtime/breakers.ts";
import type { Deadline, Deadlines } from "../runtime/deadlines.ts";
import type { AlertSink, ToldAlert } from "./alerts.ts";
import type { Journal } from "./journal.ts";

/** In one call. */
const maxBatch = 50;
/** Beyond it the oldest go: an operator who was away for so long looks at what holds now. */
const maxWaiting = 500;
const answerMs = 10_000;
const firstPauseMs = 1_000;
const maxPauseMs = 60_000;

export interface AlertCarrierTerms {
  readonly sink: AlertSink;
  readonly breaker: Breaker;
  readonly deadlines: Deadlines;
  readonly journal: Journal;
}

export class AlertCarrier {
  /** The sink took some: what waits is less than before. */
  onTaken: () => void = () => {};
  private readonly terms: AlertCarrierTerms;
  private queue: ToldAlert[] = [];
  private isBusy = false;
  private isResting = false;
  private pauseMs = firstPauseMs;

  constructor(terms: AlertCarrierTerms) {
    this.terms = terms;
  }

  get name(): string {
    return this.terms.sink.name;
  }

  /** Its newest try was not taken. */
  get isFailing(): boolean {
    return this.pauseMs > firstPauseMs;
  }

  waiting(): readonly ToldAlert[] {
    return this.queue;
  }

  /** Takes them on; tells them as soon as the other side takes them. */
  carry(alerts: readonly ToldAlert[]): void {
    this.queue.push(...alerts);
    const tooMany = this.queue.length - maxWaiting;
    if (tooMany > 0) {
      this.queue.splice(0, tooMany);
      this.terms.journal.write("error", "alert.dropped", { sink: this.name, alerts: tooMany });
    }
    // What is said within one turn goes in one call.
    queueMicrotask(() => this.go());
  }

  /** Begins nothing any more. */
  rest(): void {
    this.isResting = true;
  }

  private go(): void {
    if (this.isBusy || this.isResting || this.queue.length === 0) return;
    this.isBusy = true;
    const batch = this.queue.slice(0, maxBatch);
    void this.send(batch).then((againMs) => {
      this.isBusy = false;
      if (againMs === undefined) this.go();
      else this.pause(againMs);
    });
  }

  private pause(ms: number): void {
    this.isBusy = true;
    this.terms.deadlines.after(ms, () => {
      this.isBusy = false;
      this.go();
    });
  }

  /** Undefined: taken. Else: when to try again. Never rejects. */
  private async send(batch: readonly ToldAlert[]): Promise<number | undefined> {
    const { breaker, journal } = this.terms;
    try {
      await breaker.run(() => this.answered(batch));
    } catch (cause) {
      if (cause instanceof CircuitOpen) return Math.max(cause.retryAfterMs, firstPauseMs);
      if (!this.isFailing) journal.write("error", "alert.notTold", { sink: this.name, alerts: batch.length, cause });
      const againMs = this.pauseMs;
      this.pauseMs = Math.min(this.pauseMs * 2, maxPauseMs);
      return againMs;
    }
    if (this.isFailing) journal.write("info", "alert.toldAgain", { sink: this.name });
    this.pauseMs = firstPauseMs;
    const taken = new Set(batch);
    this.queue = this.queue.filter((alert) => !taken.has(alert));
    this.onTaken();
    return undefined;
  }

  /** Rejects when the sink does, and when it does not answer in time. */
  private async answered(batch: readonly ToldAlert[]): Promise<void> {
    const { sink, deadlines } = this.terms;
    const controller = new AbortController();
    const { promise: late, reject } = Promise.withResolvers<never>();
    const deadline: Deadline = deadlines.after(answerMs, () => {
      const cause = new Error(`no answer within ${answerMs} ms`);
      controller.abort(cause);
      reject(cause);
    });
    try {
      await Promise.race([sink.send(batch, controller.signal), late]);
    } finally {
      deadline.cancel();
    }
  }
}
