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

/** Longer data is not joined to the rest: that copies it once more. Shorter is: each call costs as much as copying it. */
const maxJoinedUnits = 1_024;

/** Over every field and the place: a row that was changed, moved or swapped has another one. */
export function checksum(place: Place, meta: string, data: string): number {
  const { stream, firstOffset, lastOffset, runId = "", firstSeq = 0 } = place;
  const head = `${stream}\n${firstOffset}\n${lastOffset}\n${runId}\n${firstSeq}\n${meta}`;
  // The same number either way.
  return data.length <= maxJoinedUnits ? crc32(head + data) : crc32(data, crc32(head));
}
