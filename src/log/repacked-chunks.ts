/** Events as chunks at their places: neighbours of one run together, as an append or a compaction would leave them. */
import { packChunk, type PlacedChunk } from "./chunk.ts";
import { coverOf, type Kept } from "./merged-delta.ts";

export interface RepackedChunk extends PlacedChunk {
  readonly lastOffset: number;
  /** Of its last event. */
  readonly time: string;
}

/** `page` is ascending, of one stream. */
export function repackedChunks(page: readonly Kept[]): RepackedChunk[] {
  const chunks: RepackedChunk[] = [];
  for (let from = 0; from < page.length; ) {
    const upto = neighboursUpto(page, from);
    const together = page.slice(from, upto);
    const events = together.map(({ event }) => event);
    const cuts = together.map((kept) => kept.cuts);
    for (let at = 0; at < events.length; ) {
      const { count, meta, data } = packChunk(events, at, cuts);
      const [first, last] = [events[at], events[at + count - 1]];
      if (first === undefined || last === undefined) break;
      const before = coverOf(cuts[at]) - 1;
      const firstSeq = first.seq === undefined ? undefined : first.seq - before;
      const place = { firstOffset: first.offset - before, lastOffset: last.offset, runId: first.runId, firstSeq };
      chunks.push({ ...place, time: last.time, meta, data });
      at += count;
    }
    from = upto;
  }
  return chunks;
}

/** Where the next event is another's, or not the next one. */
function neighboursUpto(page: readonly Kept[], from: number): number {
  let at = from + 1;
  for (; at < page.length; at += 1) {
    const [before, next] = [page[at - 1], page[at]];
    if (before === undefined || next === undefined) break;
    const isNext = next.event.offset - coverOf(next.cuts) === before.event.offset;
    if (!isNext || next.event.runId !== before.event.runId) break;
  }
  return at;
}
