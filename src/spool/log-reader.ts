/**
 * Questions to a log that may be silent: none waits longer than a second, and after one that did not answer the next ones
 * are not put to it for another, so that what is accepted meanwhile does not wait for each.
 */
import { LogUnavailable } from "../errors.ts";
import { logRetryAfterMs } from "../log/closed.ts";
import type { Clock } from "../platform/clock.ts";
import { within } from "../platform/within.ts";

const answerMs = 1_000;
const silenceMs = 1_000;

export class LogReader {
  readonly #clock: Clock;
  #silentUntilMono = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Fails: `LogUnavailable`, whatever the log said. */
  async ask<Value>(question: () => Promise<Value>): Promise<Value> {
    if (this.#clock.mono() < this.#silentUntilMono) throw silent();
    try {
      return await within({ clock: this.#clock, ms: answerMs, late: silent }, question);
    } catch (cause) {
      this.#silentUntilMono = this.#clock.mono() + silenceMs;
      throw silent(cause);
    }
  }
}

const silent = (cause?: unknown): LogUnavailable =>
  new LogUnavailable({ message: "the log does not answer", retryAfterMs: logRetryAfterMs, cause });
