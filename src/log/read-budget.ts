/** Holds the limit of a read to the letter, in the same way for every store that cuts its pages itself (L15). */
import type { ReadLimit } from "./event-log.ts";

export class ReadBudget {
  protected readonly limit: ReadLimit;
  protected count = 0;
  protected units = 0;

  constructor(limit: ReadLimit) {
    this.limit = limit;
  }

  /** Whether one more event may come, whose data is so long; the first one may, whatever its size. */
  take(units: number): boolean {
    this.units += units;
    return (this.units <= this.limit.maxBytes || this.count === 0) && this.takeLost();
  }

  /** A lost record counts as one of the events that were asked for, so a long broken range is cut too. */
  takeLost(): boolean {
    if (this.count >= this.limit.maxEvents) return false;
    this.count += 1;
    return true;
  }
}
