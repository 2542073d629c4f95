/**
 * How long to wait before the next attempt: full jitter, so that a thousand tabs do not come back together.
 * The ceiling and the server's wish come from `machines/client`.
 */
import type { Random } from "./timers.ts";

/** No server may send a client away for longer than this. */
const maxServerWishMs = 300_000;

/** `Units`: ms. At least what the server asked for, then a random part of the ceiling. */
export function fullJitter(ceilingMs: number, serverWishMs: number, random: Random): number {
  return Math.round(Math.min(serverWishMs, maxServerWishMs) + random() * ceilingMs);
}
