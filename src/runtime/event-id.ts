/**
 * Event, run and connection ids: UUID version 7 (RFC 9562), so that they sort by the time they were made. Within a
 * millisecond the last 28 bits count on from a random start (its method 1), which makes an id cost a small number's text.
 */
import type { Clock } from "../platform/clock.ts";

const seedBytes = 10;
/** From here to 2^28 a number has seven hexadecimal digits, and a millisecond never counts that far. */
const counterStart = 2 ** 24;
const counterSpread = 2 ** 27;

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** A maker of UUIDv7 strings on this clock. */
export function eventIds(clock: Clock): () => string {
  let atMs = -1;
  let prefix = "";
  let counter = 0;
  return () => {
    const ms = clock.now();
    if (ms !== atMs) {
      atMs = ms;
      const seed = new DataView(clock.random(seedBytes).slice().buffer);
      const time = hex(Math.floor(ms), 12);
      const randomA = hex(seed.getUint16(0) & 0x0fff, 3);
      const randomB = hex(0x8000 | (seed.getUint16(2) & 0x3fff), 4);
      const randomC = hex(seed.getUint32(4) >>> 12, 5);
      prefix = `${time.slice(0, 8)}-${time.slice(8)}-7${randomA}-${randomB}-${randomC}`;
      counter = counterStart + (seed.getUint32(6) % counterSpread);
    }
    counter += 1;
    return prefix + counter.toString(16);
  };
}
