/**
 * Pages of a stream and of a run. A script gives a bounded portion; here records are verified, the rest of a merged delta
 * is cut out, holes are named, and the limit is held to the letter.
 */
import type { Offset, RunId, Seq, StreamKey, TenantId } from "../../../protocol/ids.ts";
import { runKey } from "../../../protocol/ids.ts";
import type { Position, ReadLimit, Slice, StoredEvent } from "../event-log.ts";
import { coverOf, restOf } from "../merged-delta.ts";
import { ReadBudget } from "../read-budget.ts";
import { keptOf, type RawRecord, rawRecords } from "./record.ts";
import type { StreamCalls } from "./stream-calls.ts";
import { positionScript, readRunScript, readScript } from "./stream-scripts.ts";

/** One script's portion: the server does nothing else meanwhile. */
const portionEvents = 1_024;
const portionBytes = 4 * 2 ** 20;

class Budget extends ReadBudget {
  /** What may still come, as a script counts: a text has at least as many bytes as units. */
  portion(): readonly [events: string, bytes: string] {
    const events = Math.min(this.limit.maxEvents - this.count, portionEvents);
    const bytes = Math.min(this.limit.maxBytes - this.units, portionBytes);
    return [String(Math.max(events, 1)), String(Math.max(bytes, 0))];
  }

  get isSpent(): boolean {
    return this.count >= this.limit.maxEvents || this.units > this.limit.maxBytes;
  }
}

export async function positionOf(streams: StreamCalls, stream: StreamKey): Promise<Position> {
  const { epoch, words } = await streams.read(stream, positionScript);
  return { epoch, first: Number(words[1]), head: Number(words[2]) };
}

export async function readSlice(
  streams: StreamCalls,
  stream: StreamKey,
  after: Offset,
  limit: ReadLimit,
): Promise<Slice> {
  const budget = new Budget(limit);
  const events: StoredEvent[] = [];
  const corrupt: Offset[] = [];
  let position: Position | undefined;
  let upto = after;
  let isCut = false;
  /** Offsets before the next record of which there is none. */
  const takeLost = (before: Offset): boolean => {
    while (upto + 1 < before) {
      if (!budget.take(0)) return false;
      upto += 1;
      corrupt.push(upto);
    }
    return true;
  };
  const take = (raw: RawRecord): boolean => {
    const kept = keptOf(stream, raw);
    if (kept === undefined) return takeLost(raw.offset + 1);
    if (!takeLost(raw.offset + 1 - raw.cover)) return false;
    const event = restOf(kept.event, kept.cuts, upto - (raw.offset - raw.cover));
    if (!budget.take(event.data.length)) return false;
    events.push(event);
    upto = raw.offset;
    return true;
  };
  while (!isCut) {
    const { epoch, words } = await streams.read(stream, readScript, String(upto), ...budget.portion());
    const [, first, head, more] = words;
    if (position === undefined) {
      position = { epoch, first: Number(first), head: Number(head) };
      upto = Math.max(after, position.first - 1);
    } else if (epoch !== position.epoch || Number(first) > upto + 1) {
      // What follows is of another history, or gone: the reader asks again, and is told.
      break;
    }
    for (const raw of rawRecords(words, recordsAt)) {
      if (raw.offset <= upto) continue;
      // Behind the head stands what came meanwhile, or what is not where it belongs: all before it was met.
      if (raw.offset > position.head) takeLost(Math.min(position.head, raw.offset - raw.cover) + 1);
      isCut = raw.offset > position.head || !take(raw);
      if (isCut) break;
    }
    if (more !== "1" && !isCut) takeLost(position.head + 1);
    if (more !== "1" || budget.isSpent) isCut = true;
  }
  const slice = { ...(position ?? (await positionOf(streams, stream))), events, upto };
  return corrupt.length === 0 ? slice : { ...slice, corrupt };
}

/** Behind a word, first, head and whether there is more. */
const recordsAt = 4;

/** Undefined: the run is not in this stream. */
export async function readRunEvents(
  streams: StreamCalls,
  { stream, tenantId, runId }: { readonly stream: StreamKey; readonly tenantId: TenantId; readonly runId: RunId },
  afterSeq: Seq,
  limit: ReadLimit,
): Promise<readonly StoredEvent[] | undefined> {
  const budget = new Budget(limit);
  const events: StoredEvent[] = [];
  for (let from = Math.max(afterSeq, 0); ; ) {
    const args = [runKey(tenantId, runId), String(from), ...budget.portion()];
    const { words } = await streams.read(stream, readRunScript, ...args);
    if (words[0] === "no_run") return events.length === 0 ? undefined : events;
    const raws = rawRecords(words, 2);
    for (const raw of raws) {
      const kept = keptOf(stream, raw);
      const seq = kept?.event.seq;
      if (kept === undefined || seq === undefined || kept.event.runId !== runId || seq <= from) continue;
      const event = restOf(kept.event, kept.cuts, from - (seq - coverOf(kept.cuts)));
      if (!budget.take(event.data.length)) return events;
      events.push(event);
      from = seq;
    }
    if (words[1] !== "1" || budget.isSpent) return events;
    // A portion without a good record: what it looked at is passed by.
    if (raws.length > 0 && !raws.some((raw) => keptOf(stream, raw) !== undefined)) from += raws.length;
  }
}
