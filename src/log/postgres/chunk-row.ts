/** A chunk as a row of `events`: whether it is what was written, and what a range lacks where it is not. */
import { asRunId, type Offset, type StreamKey } from "../../../protocol/ids.ts";
import { maxChunkOffsets, type PlacedChunk } from "../chunk.ts";
import { checksum } from "./checksums.ts";

/** A page holds no more offsets than this: a merged delta covers many, and one that is cut counts as one. */
export const maxPageEvents = 100_000;
export interface ChunkRow {
  readonly first_offset: number;
  readonly last_offset: number;
  readonly run_id: string | null;
  readonly first_seq: number | null;
  readonly meta: string;
  readonly data: string;
  readonly crc: number;
}

/** Undefined when the row is not what was written. */
export function chunkOf(stream: StreamKey, row: ChunkRow): PlacedChunk | undefined {
  const { first_offset: firstOffset, last_offset: lastOffset, run_id: name, first_seq: firstSeq, meta, data } = row;
  const runId = name === null ? undefined : asRunId(name);
  const chunk: PlacedChunk = { firstOffset, runId, firstSeq: firstSeq ?? undefined, meta, data };
  return checksum(stream, chunk, lastOffset) === row.crc ? chunk : undefined;
}

/** Offsets, both inclusive, whose record failed its checksum or is gone. */
export interface LostOffsets {
  readonly from: Offset;
  readonly upto: Offset;
  /** They stand before what was read, and are lost by the word of a broken row only. */
  readonly isBefore: boolean;
}

export interface Lost extends LostOffsets {
  readonly stream: StreamKey;
}

interface SoundChunks {
  readonly chunks: readonly PlacedChunk[];
  /** Offsets from `from` on that no sound chunk holds, ascending. */
  readonly lost: readonly Offset[];
  /** The same as ranges, and what a broken row held before `from`: it leaves the ledger's count as a whole. */
  readonly ranges: readonly LostOffsets[];
}

/** What of the rows is what was written. */
export function soundOf(stream: StreamKey, rows: readonly ChunkRow[], from: Offset, head: Offset): SoundChunks {
  const chunks: PlacedChunk[] = [];
  const lost: Offset[] = [];
  const ranges: LostOffsets[] = [];
  let next = from;
  const lose = (until: Offset): void => {
    if (until <= next) return;
    ranges.push({ from: next, upto: until - 1, isBefore: false });
    for (; next < until; next++) lost.push(next);
  };
  for (const row of rows) {
    const chunk = chunkOf(stream, row);
    if (chunk === undefined) {
      const { first_offset: first, last_offset: last } = row;
      // Its own place may be what is broken: no chunk is longer.
      if (first < from && last - first < maxChunkOffsets) ranges.push({ from: first, upto: from - 1, isBefore: true });
      continue;
    }
    lose(chunk.firstOffset);
    chunks.push(chunk);
    next = row.last_offset + 1;
  }
  // Where nothing stands at all any more, everything is lost; else what is gone behind the last is met by the next read.
  lose(rows.length === 0 ? Math.min(head + 1, from + maxPageEvents) : (rows.at(-1)?.last_offset ?? 0) + 1);
  return { chunks, lost, ranges };
}
