/** A pause that no two processes keep in step: those that were started together must not ask the log together. */
import type { Clock } from "../platform/clock.ts";

/** By chance so much shorter or longer. */
const share = 0.2;
/** Of what a byte can be. */
const byteMiddle = 127.5;

/** Units: ms. */
export function spread(clock: Pick<Clock, "random">, ms: number): number {
  const [drawn = byteMiddle] = clock.random(1);
  return ms * (1 + share * (drawn / byteMiddle - 1));
}
