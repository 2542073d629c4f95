/** The checksum of a chunk's row: made when it is written, verified whenever it is read. */
import { crc32 } from "node:zlib";

/** Names, not the numbers that stand for them in the table: a row that came under another owner's number is found. */
export interface Place {
  readonly stream: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly runId: string | undefined;
  readonly firstSeq: number | undefined;
}

/** Over every field and the place: a row that was changed, moved or swapped has another one. */
export function checksum(place: Place, meta: string, data: string): number {
  const { stream, firstOffset, lastOffset, runId = "", firstSeq = 0 } = place;
  // Carried on from text to text: joining them first would copy the data once more.
  return crc32(data, crc32(meta, crc32(`${stream}\n${firstOffset}\n${lastOffset}\n${runId}\n${firstSeq}\n`)));
}
