/**
 * Time and chance of any web-like runtime: the house's `Clock` port without a Node module. Nothing else in this
 * folder sets a timer or draws a number, so a test can hold the clock still.
 */
import type { Clock } from "../platform/clock.ts";

/** setTimeout's own limit: more fires at once. */
const maxTimeoutMs = 2 ** 31 - 1;

/** Node's and Bun's timers can be told not to keep the process alive; a browser's have no need to. */
function unref(timer: unknown): void {
  if (typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function")
    timer.unref();
}

export const webClock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, Math.min(Math.max(delayMs, 0), maxTimeoutMs));
    unref(timer);
    return () => clearTimeout(timer);
  },
  random: (count) => crypto.getRandomValues(new Uint8Array(count)),
};
