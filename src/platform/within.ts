/** "Ask, but not longer than": what comes later counts as never. The work itself is not ended; who began it takes back what it makes. */
import type { Clock } from "./clock.ts";

export interface TimeLimit {
  readonly clock: Pick<Clock, "after">;
  readonly ms: number;
  /** What it fails with when the time is over. */
  readonly late: () => Error;
}

export async function within<Value>({ clock, ms, late }: TimeLimit, work: () => Promise<Value>): Promise<Value> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const cancel = clock.after(ms, () => reject(late()));
  try {
    return await Promise.race([work(), over]);
  } finally {
    cancel();
  }
}
