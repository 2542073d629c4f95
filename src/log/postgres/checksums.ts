/**
 * The checksum of a chunk's row. What it says is summed up before it is sent (`contentSum`), where it stands is known in
 * the database only, which adds it (`append-function`): a row that was changed, moved or swapped has another one.
 */
import { crc32 } from "node:zlib";
import type { PlacedChunk } from "../chunk.ts";
import { offsetFactor, seqFactor } from "./append-function.ts";

/** Longer data is not joined to the rest: that copies it once more. */
const maxJoinedUnits = 1_024;

export function contentSum(stream: string, runId: string | undefined, meta: string, data: string): number {
  const head = `${stream}\n${runId ?? ""}\n${meta}`;
  return data.length <= maxJoinedUnits ? crc32(head + data) : crc32(data, crc32(head));
}

/** What the row of a chunk must bear. */
export function checksum(stream: string, chunk: PlacedChunk, lastOffset: number): number {
  const { firstOffset, firstSeq, runId, meta, data } = chunk;
  const ofSeq = firstSeq === undefined ? 0 : times(firstSeq, offsetFactor);
  const sum = contentSum(stream, runId, meta, data) + times(firstOffset, offsetFactor) + times(lastOffset, seqFactor);
  return (sum + ofSeq) % 2 ** 32;
}

/** The low bits of a place, as the database takes them. */
const placeBits = 0x7fff_ffff;

const times = (place: number, factor: number): number => Math.imul(place % (placeBits + 1), factor) >>> 0;
