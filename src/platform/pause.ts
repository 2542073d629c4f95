/** A wait that somebody's events depend on: unlike the clock's timers it keeps the process alive until it is over. */
import type { Clock } from "./clock.ts";

/** The clock's own timer comes first. Where time is made by hand, nothing is held for longer than this beyond it. */
const slackMs = 1_000;

/** Resolves after `ms` on the clock. */
export async function pause(clock: Clock, ms: number): Promise<void> {
  const hold = setTimeout(() => {}, ms + slackMs);
  await new Promise<void>((resolve) => clock.after(ms, resolve));
  clearTimeout(hold);
}
