/** Offsets without a sound record, as a read meets them, and the dead letter that names them: the same in every adapter (L10, L15). */
import { type Offset, type StreamKey, streamOwner } from "../../protocol/ids.ts";
import type { DeadLetter } from "./dead-letter.ts";

/** Why they stand among the dead letters. */
export const lostReason = "the record failed its checksum or is gone";

/** Both inclusive. */
export interface OffsetRange {
  readonly from: Offset;
  readonly upto: Offset;
}

/** `offsets`: ascending. */
export function rangesOf(offsets: readonly Offset[]): readonly OffsetRange[] {
  const ranges: { from: Offset; upto: Offset }[] = [];
  for (const offset of offsets) {
    const last = ranges.at(-1);
    if (last?.upto === offset - 1) last.upto = offset;
    else ranges.push({ from: offset, upto: offset });
  }
  return ranges;
}

export function corruptLetter(stream: StreamKey, { from, upto }: OffsetRange, time: string): DeadLetter {
  const { tenantId } = streamOwner(stream);
  return { kind: "corrupt", stream, tenantId, from, upto, events: upto + 1 - from, reason: lostReason, time };
}
