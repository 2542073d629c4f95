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
  /** JSON: time, threadId and traceparent of the first event, then per event its id, type, length and `Own`. */
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
/** What an event does not share with the first of its chunk; 0 when it shares all. */
type Own = 0 | readonly [...Shared, repaired: 0 | 1];

const cellsOfShared = 3;
const cellsPerEvent = 4;

/** Packs the events from `start` on, as many as one chunk takes. */
export function packChunk(events: readonly Omit<NewEvent, "key">[], start: number): Chunk {
  const first = events[start];
  if (first === undefined) throw new RangeError("no event to pack");
  const { time, threadId, traceparent } = first;
  const cells: (string | number | null | Exclude<Own, 0>)[] = [time, threadId ?? null, traceparent ?? null];
  let data = "";
  let at = start;
  for (; at < events.length && at - start < maxChunkEvents; at++) {
    const event = events[at];
    if (event === undefined || (at > start && data.length + event.data.length > maxChunkUnits)) break;
    const isAlike = event.time === time && event.threadId === threadId && event.traceparent === traceparent;
    cells.push(event.id, event.type, event.data.length, isAlike && event.repaired !== true ? 0 : own(event));
    data += event.data;
  }
  return { count: at - start, meta: JSON.stringify(cells), data };
}

function own({ time, threadId, traceparent, repaired }: Omit<NewEvent, "key">): Own {
  return [time, threadId ?? null, traceparent ?? null, repaired === true ? 1 : 0];
}

/** Its events in order, until `take` says false. The checksum was verified, so `meta` is what `packChunk` made. */
export function unpackChunk(chunk: PlacedChunk, take: (event: StoredEvent) => boolean): boolean {
  const cells = parseTrusted(chunk.meta) as unknown[];
  const shared = cells.slice(0, cellsOfShared) as unknown as Shared;
  let end = 0;
  for (let index = 0, at = cellsOfShared; at < cells.length; index += 1, at += cellsPerEvent) {
    const [time, threadId, traceparent] = cells[at + 3] === 0 ? shared : (cells[at + 3] as Exclude<Own, 0>);
    const start = end;
    end += cells[at + 2] as number;
    const event = {
      id: cells[at] as string,
      type: cells[at + 1] as string,
      time,
      data: chunk.data.slice(start, end),
      threadId: threadId ?? undefined,
      traceparent: traceparent ?? undefined,
      repaired: cells[at + 3] !== 0 && (cells[at + 3] as Exclude<Own, 0>)[3] === 1,
    };
    const seq = chunk.firstSeq === undefined ? undefined : chunk.firstSeq + index;
    if (!take(storedEvent(event, chunk.firstOffset + index, chunk.runId, seq))) return false;
  }
  return true;
}
