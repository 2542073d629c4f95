/** The world's clock as one process sees it: its timers end with it, the world's time goes on. */
import type { Clock } from "../../platform/clock.ts";

export interface ProcessClock extends Clock {
  /** None of its timers fires any more, and none can be set. */
  kill(): void;
}

export function processClock(clock: Clock): ProcessClock {
  const cancels = new Set<() => void>();
  let isDead = false;
  return {
    now: clock.now,
    mono: clock.mono,
    random: clock.random,
    after: (delayMs, task) => {
      if (isDead) return () => {};
      const cancelTimer = clock.after(delayMs, () => {
        cancels.delete(cancel);
        task();
      });
      const cancel = (): void => {
        cancels.delete(cancel);
        cancelTimer();
      };
      cancels.add(cancel);
      return cancel;
    },
    kill: () => {
      isDead = true;
      for (const cancel of cancels) cancel();
    },
  };
}
