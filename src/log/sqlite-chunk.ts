/**
 * A chunk: the contiguous events of one append as two texts, which is how they cross between the threads and how they
 * lie in the file. A row, a checksum and a crossing cost nearly the same for one event as for thirty, so they are paid
 * per chunk. The main thread packs and unpacks; the worker only carries.
 */
import type { RunId } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { NewEvent, StoredEvent } from "./event-log.ts";
import { storedEvent } from "./stored-event.ts";

/** A flipped byte costs its whole chunk, so a chunk stays small: about what an agent says in one run. */
export const maxChunkEvents = 32;
/** UTF-16 units of data; one greater event is a chunk of its own. */
const maxChunkUnits = 32 * 1_024;

export interface Chunk {
  readonly count: number;
  /**
   * JSON of what is not data. First what the events share: the first one's time, threadId and traceparent, and how all
   * ids begin. Then per event the rest of its id, its type (0: that of the event before), the length of its data and,
   * when it does not share all that, its `Own`.
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
type MetaCell = string | number | null | Own;

/** Packs the events from `start` on, as many as one chunk takes. */
export function packChunk(events: readonly Omit<NewEvent, "key">[], start: number): Chunk {
  const first = events[start];
  if (first === undefined) throw new RangeError("no event to pack");
  const { time, threadId, traceparent } = first;
  const idStart = sharedIdStart(events, start);
  const cells: MetaCell[] = [time, threadId ?? null, traceparent ?? null, idStart];
  let data = "";
  let type: string | undefined;
  let at = start;
  for (; at < events.length && at - start < maxChunkEvents; at++) {
    const event = events[at];
    if (event === undefined || (at > start && data.length + event.data.length > maxChunkUnits)) break;
    cells.push(event.id.slice(idStart.length), event.type === type ? 0 : event.type, event.data.length);
    const isAlike = event.time === time && event.threadId === threadId && event.traceparent === traceparent;
    if (!isAlike || event.repaired === true) cells.push(own(event));
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

/** Its events in order, until `take` says false. The checksum was verified, so `meta` is what `packChunk` made. */
export function unpackChunk(chunk: PlacedChunk, take: (event: StoredEvent) => boolean): boolean {
  const cells = parseTrusted(chunk.meta) as MetaCell[];
  const [firstTime, firstThread, firstTrace, idStart] = cells as unknown as [...Shared, idStart: string];
  const shared: Own = [firstTime, firstThread, firstTrace, 0];
  let type = "";
  let start = 0;
  for (let index = 0, at = shared.length; at < cells.length; index += 1) {
    const id = `${idStart}${cells[at++] as string}`;
    const ownType = cells[at++];
    if (ownType !== 0) type = ownType as string;
    const end = start + (cells[at++] as number);
    const differing = at < cells.length && Array.isArray(cells[at]);
    const [time, threadId, traceparent, repaired] = differing ? (cells[at++] as Own) : shared;
    const data = chunk.data.slice(start, end);
    start = end;
    const event = {
      id,
      type,
      time,
      data,
      threadId: threadId ?? undefined,
      traceparent: traceparent ?? undefined,
      repaired: repaired === 1,
    };
    const seq = chunk.firstSeq === undefined ? undefined : chunk.firstSeq + index;
    if (!take(storedEvent(event, chunk.firstOffset + index, chunk.runId, seq))) return false;
  }
  return true;
}
