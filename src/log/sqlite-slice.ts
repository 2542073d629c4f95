/** From the worker's cells to the answer of a read, on the main thread: `chunk-slice` holds the limit to the letter. */
import type { Offset, Seq } from "../../protocol/ids.ts";
import type { PlacedChunk } from "./chunk.ts";
import { runEventsOf, sliceOf } from "./chunk-slice.ts";
import type { ReadLimit, StoredEvent } from "./event-log.ts";
import { type Cell, CellReader, takePlaced } from "./sqlite-cells.ts";

/** The events from offset `from` on and the lost offsets between them, as far as the limit goes, and how far that is. */
export const takeSlice = (
  cells: readonly Cell[],
  lost: readonly Offset[],
  from: Offset,
  limit: ReadLimit,
): ReturnType<typeof sliceOf> => sliceOf(placed(cells), lost, from, limit);

/** The events with a seq beyond `afterSeq`. */
export const takeRunEvents = (cells: readonly Cell[], afterSeq: Seq, limit: ReadLimit): StoredEvent[] =>
  runEventsOf(placed(cells), afterSeq, limit);

function* placed(cells: readonly Cell[]): Generator<PlacedChunk, void, undefined> {
  for (const from = new CellReader(cells); !from.done; ) yield takePlaced(from);
}
