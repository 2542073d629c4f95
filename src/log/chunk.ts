/**
 * A chunk: the contiguous events of one append as two texts, which is how they cross between the threads and how they
 * lie in the file. A row, a checksum and a crossing cost nearly the same for one event as for thirty, so they are paid
 * per chunk. The main thread packs and unpacks; the worker only carries.
 */
import type { RunId } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { NewEvent, StoredEvent } from "./event-log.ts";
import { type Cuts, coverOf, restOf } from "./merged-delta.ts";
import { storedEvent } from "./stored-event.ts";

/** A flipped byte costs its whole chunk, so a chunk stays small: about what an agent says in one run. */
export const maxChunkEvents = 32;
/** A compacted chunk covers more: a merged delta stands for many offsets. */
export const maxChunkOffsets = 1_024;
/** UTF-16 units of data; one greater event is a chunk of its own. */
const maxChunkUnits = 32 * 1_024;

export interface Chunk {
  readonly count: number;
  /**
   * JSON of what is not data. First what the events share: the first one's time, threadId and traceparent, and how all
   * ids begin. Then per event the rest of its id, its type (0: that of the event before), the length of its data and,
   * when it does not share all that, its `Own`; of a merged delta, its cuts.
   */
  readonly meta: string;
  /** The data texts one after the other. */
  readonly data: string;
}

/** A chunk at its place in the log. */
export interface PlacedChunk extends Omit<Chunk, "count"> {
  readonly firstOffset: number;
  readonly runId: RunId | undefined;
  readonly firstSeq: number | undefined;
}

type Shared = readonly [time: string, threadId: string | null, traceparent: string | null];
type Own = readonly [...Shared, repaired: 0 | 1];
type MetaCell = string | number | null | Own | { readonly cuts: Cuts };

/** When the first event of a chunk was written, out of its meta. */
export const firstTimeOf = (meta: string): string => meta.slice('["'.length, meta.indexOf('"', '["'.length));

/** Stands in the meta of a chunk with merged deltas, and of no other: such a chunk has fewer events than offsets. */
export const mergedMark = '{"cuts":';

/** Packs the events from `start` on, as many as one chunk takes. `cuts`: of the merged deltas among them, by index. */
export function packChunk(
  events: readonly Omit<NewEvent, "key">[],
  start: number,
  cuts?: readonly (Cuts | undefined)[],
): Chunk {
  const first = events[start];
  if (first === undefined) throw new RangeError("no event to pack");
  const { time, threadId, traceparent } = first;
  const idStart = sharedIdStart(events, start);
  const cells: MetaCell[] = [time, threadId ?? null, traceparent ?? null, idStart];
  let data = "";
  let type: string | undefined;
  let at = start;
  let offsets = 0;
  for (; at < events.length && at - start < maxChunkEvents; at++) {
    const event = events[at];
    if (event === undefined || (at > start && data.length + event.data.length > maxChunkUnits)) break;
    const cutsOfIt = cuts?.[at];
    offsets += coverOf(cutsOfIt);
    if (offsets > maxChunkOffsets) break;
    cells.push(event.id.slice(idStart.length), event.type === type ? 0 : event.type, event.data.length);
    const isAlike = event.time === time && event.threadId === threadId && event.traceparent === traceparent;
    if (!isAlike || event.repaired === true) cells.push(own(event));
    if (cutsOfIt !== undefined) cells.push({ cuts: cutsOfIt });
    type = event.type;
    data += event.data;
  }
  return { count: at - start, meta: JSON.stringify(cells), data };
}

/** Ids that were made in one turn differ in their last digits only. */
function sharedIdStart(events: readonly Omit<NewEvent, "key">[], start: number): string {
  let shared = events[start]?.id ?? "";
  const end = Math.min(events.length, start + maxChunkEvents);
  for (let at = start + 1; at < end; at++) {
    const id = events[at]?.id ?? "";
    while (!id.startsWith(shared)) shared = shared.slice(0, -1);
  }
  return shared;
}

function own({ time, threadId, traceparent, repaired }: Omit<NewEvent, "key">): Own {
  return [time, threadId ?? null, traceparent ?? null, repaired === true ? 1 : 0];
}

/**
 * Its events in order, from the offset at place `skip` on (of one that began before it, the rest), until `take` says
 * false. The checksum was verified, so `meta` is what `packChunk` made.
 */
export function unpackChunk(
  chunk: PlacedChunk,
  take: (event: StoredEvent, cuts: Cuts | undefined) => boolean,
  skip = 0,
): boolean {
  const cells = parseTrusted(chunk.meta) as MetaCell[];
  const [firstTime, firstThread, firstTrace, idStart] = cells as unknown as [...Shared, idStart: string];
  const shared: Own = [firstTime, firstThread, firstTrace, 0];
  let type = "";
  let start = 0;
  for (let index = 0, at = shared.length; at < cells.length; ) {
    const id = `${idStart}${cells[at++] as string}`;
    const ownType = cells[at++];
    if (ownType !== 0) type = ownType as string;
    const end = start + (cells[at++] as number);
    let own = shared;
    let cuts: Cuts | undefined;
    for (let more = cells[at]; typeof more === "object" && more !== null; more = cells[++at]) {
      if ("cuts" in more) cuts = more.cuts;
      else own = more;
    }
    const begin = index;
    index += coverOf(cuts);
    const from = start;
    start = end;
    if (index <= skip) continue;
    const [time, threadId, traceparent, repaired] = own;
    const event = {
      id,
      type,
      time,
      data: chunk.data.slice(from, end),
      threadId: threadId ?? undefined,
      traceparent: traceparent ?? undefined,
      repaired: repaired === 1,
    };
    const seq = chunk.firstSeq === undefined ? undefined : chunk.firstSeq + index - 1;
    const stored = storedEvent(event, chunk.firstOffset + index - 1, chunk.runId, seq);
    if (!take(restOf(stored, cuts, skip - begin), cuts)) return false;
  }
  return true;
}
