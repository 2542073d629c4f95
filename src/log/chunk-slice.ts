/**
 * From chunks to the answer of a read. A store sends whole chunks and may send one too many; here the limit is held to the
 * letter. Every adapter that keeps chunks cuts its pages here (L15).
 */
import type { Offset, Seq } from "../../protocol/ids.ts";
import { type PlacedChunk, unpackChunk } from "./chunk.ts";
import type { ReadLimit, StoredEvent } from "./event-log.ts";
import { ReadBudget } from "./read-budget.ts";

/** The events from offset `from` on and the lost offsets between them, as far as the limit goes, and how far that is. */
export function sliceOf(
  chunks: Iterable<PlacedChunk>,
  lost: readonly Offset[],
  from: Offset,
  limit: ReadLimit,
): { readonly events: StoredEvent[]; readonly corrupt: Offset[]; readonly upto: Offset } {
  const events: StoredEvent[] = [];
  const corrupt: Offset[] = [];
  const budget = new ReadBudget(limit);
  /** The next of `lost` is one of those that are asked for only if it lies before `offset`. */
  const takeLost = (offset: Offset): boolean => {
    for (let next = lost[corrupt.length]; next !== undefined && next < offset; next = lost[corrupt.length]) {
      if (!budget.takeLost()) return false;
      corrupt.push(next);
    }
    return true;
  };
  const wasCut = !takeEach(
    chunks,
    ({ firstOffset }) => from - firstOffset,
    (event) => {
      // A merged delta comes behind what was lost before its first offset: nothing is lost between its own.
      if (!takeLost(event.offset) || !budget.take(event.data.length)) return false;
      events.push(event);
      return true;
    },
  );
  if (!wasCut) takeLost(Number.POSITIVE_INFINITY);
  return { events, corrupt, upto: Math.max(from - 1, events.at(-1)?.offset ?? 0, corrupt.at(-1) ?? 0) };
}

/** The events with a seq beyond `afterSeq`. */
export function runEventsOf(chunks: Iterable<PlacedChunk>, afterSeq: Seq, limit: ReadLimit): StoredEvent[] {
  const events: StoredEvent[] = [];
  const budget = new ReadBudget(limit);
  takeEach(
    chunks,
    ({ firstSeq = 0 }) => afterSeq + 1 - firstSeq,
    (event) => {
      if (!budget.take(event.data.length)) return false;
      events.push(event);
      return true;
    },
  );
  return events;
}

/** Whether `take` took them all. `skip`: how many of a chunk's offsets the reader has. */
function takeEach(
  chunks: Iterable<PlacedChunk>,
  skip: (chunk: PlacedChunk) => number,
  take: (event: StoredEvent) => boolean,
): boolean {
  for (const chunk of chunks) if (!unpackChunk(chunk, take, skip(chunk))) return false;
  return true;
}
