/**
 * Notices that the wall clock went another way than real time: set by hand or by NTP, or real time stood still while
 * the machine slept. What must end at a wall-clock time, as a credential does, is then judged anew.
 */
import type { Clock } from "../platform/clock.ts";
import type { Deadlines } from "./deadlines.ts";

/** A credential ends within 5 s of its time, also after a jump. */
const lookEveryMs = 2_000;
/** Less is drift: it adds up and is noticed, too. */
const jumpMs = 1_000;

/** Calls `onJump` after every jump, for as long as the deadlines run. */
export function watchClock(clock: Clock, deadlines: Deadlines, onJump: () => void): void {
  let lead = clock.now() - clock.mono();
  const look = (): void => {
    // First: what throws below must not end the watch.
    deadlines.after(lookEveryMs, look);
    const now = clock.now() - clock.mono();
    if (Math.abs(now - lead) < jumpMs) return;
    lead = now;
    onJump();
  };
  deadlines.after(lookEveryMs, look);
}
