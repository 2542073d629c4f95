/**
 * Event, run and connection ids: UUID version 7 (RFC 9562), so that they sort by the time they were made.
 * Randomness is drawn in blocks: one id costs a few hundred nanoseconds.
 */
import type { Clock } from "../platform/clock.ts";

const blockBytes = 4_096;
const idRandomBytes = 10;
const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** A maker of UUIDv7 strings on this clock. */
export function eventIds(clock: Clock): () => string {
  let block = clock.random(blockBytes);
  let at = 0;
  let prefixMs = -1;
  let prefix = "";
  return () => {
    if (at + idRandomBytes > blockBytes) {
      block = clock.random(blockBytes);
      at = 0;
    }
    const ms = clock.now();
    if (ms !== prefixMs) {
      const text = Math.floor(ms).toString(16).padStart(12, "0");
      prefix = `${text.slice(0, 8)}-${text.slice(8, 12)}-7`;
      prefixMs = ms;
    }
    const byte = (index: number): number => block[at + index] ?? 0;
    const h = (index: number): string => hex[byte(index)] ?? "00";
    const version = h(0)[0] ?? "0";
    const variant = hex[0x80 | (byte(2) & 0x3f)] ?? "80";
    const id = `${prefix}${version}${h(1)}-${variant}${h(3)}-${h(4)}${h(5)}${h(6)}${h(7)}${h(8)}${h(9)}`;
    at += idRandomBytes;
    return id;
  };
}
