/** How fast the demo plays: 1 is the speed of a model, more is faster, and `Infinity` does not wait at all. */
import { setTimeout as wait } from "node:timers/promises";

export type Pace = (ms: number, signal?: AbortSignal | null) => Promise<void>;

/** Waits `ms` at that speed. Fails: with an `AbortError` as soon as the signal aborts. */
export function paceOf(speed: number): Pace {
  return async (ms, signal) => {
    signal?.throwIfAborted();
    const dueMs = ms / speed;
    if (dueMs > 0) await wait(dueMs, undefined, signal ? { signal } : {});
  };
}
