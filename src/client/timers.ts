/**
 * Time and chance for the client: PORT. Nothing else in this folder sets a timer or draws a number, so a test can
 * hold the clock still.
 */
export interface Timers {
  /** Calls `task` once after `delayMs`; the answer cancels it. */
  after(delayMs: number, task: () => void): () => void;
}

/** A number in [0, 1). */
export type Random = () => number;

/** setTimeout's own limit: more fires at once. */
const maxTimeoutMs = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after: (delayMs, task) => {
    const timer = setTimeout(task, Math.min(Math.max(delayMs, 0), maxTimeoutMs));
    return () => clearTimeout(timer);
  },
};

export const systemRandom: Random = () => Math.random();
