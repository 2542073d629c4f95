/**
 * Time and chance: PORT. Nothing else in the house reads a clock, sets a timer or draws a random number, so a
 * simulated world can run the real code (L16, and every test without a sleep).
 */
import { randomBytes } from "node:crypto";

export interface Clock {
  /** Milliseconds since 1970. For stamps that people read; nothing is ordered by it. */
  now(): number;
  /** Monotonic milliseconds: deadlines and durations. */
  mono(): number;
  /** Calls `task` once after `delayMs`; the answer cancels it. Does not keep the process alive. */
  after(delayMs: number, task: () => void): () => void;
  /** Random bytes, cryptographically strong in the system clock's world. */
  random(count: number): Uint8Array;
}

/** setTimeout's own limit: more fires at once. */
const maxTimeoutMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, Math.min(Math.max(delayMs, 0), maxTimeoutMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
  random: (count) => randomBytes(count),
};
