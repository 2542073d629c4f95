/**
 * Documents that another process may change, as this one has read them: read at the start, and where others share the log
 * often enough that a change holds here within a second. A log that does not answer is asked again.
 */
import type { Deadline, Deadlines } from "./deadlines.ts";

/** Two looks fit into that second. */
const pollMs = 400;
const retryMs = 1_000;

export interface PolledTerms {
  readonly deadlines: Deadlines;
  readonly log: { readonly isShared?: boolean | undefined };
  readonly read: () => Promise<void>;
  readonly onFailed: (cause: unknown) => void;
}

export class Polled {
  private readonly terms: PolledTerms;
  private look: Deadline | undefined;

  constructor(terms: PolledTerms) {
    this.terms = terms;
  }

  /** Reads them, and again from then on; never rejects. */
  async load(): Promise<void> {
    try {
      await this.terms.read();
    } catch (cause) {
      this.terms.onFailed(cause);
      return this.soon();
    }
    if (this.terms.log.isShared) this.lookIn(pollMs);
  }

  /** What is stored may be other than what was read. */
  soon(): void {
    this.lookIn(retryMs);
  }

  private lookIn(delayMs: number): void {
    this.look?.cancel();
    this.look = this.terms.deadlines.after(delayMs, () => void this.load());
  }
}
