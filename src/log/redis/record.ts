/**
 * One event as text, with a checksum over everything that it says and whose it is: made when it is written, verified
 * whenever it is read, so a record that was changed or moved is never delivered. Its offset stands beside it twice, as
 * the entry's id and as a field, because the server gives it; the seq is the writer's.
 */
import { crc32 } from "node:zlib";
import type { Offset, RunId, Seq, StreamKey } from "../../../protocol/ids.ts";
import { parseTrusted } from "../../../protocol/json.ts";
import type { NewEvent, StoredEvent } from "../event-log.ts";
import { coverOf, type Cuts, type Kept } from "../merged-delta.ts";
import { storedEvent } from "../stored-event.ts";

interface Head extends Pick<NewEvent, "id" | "type" | "threadId" | "repaired" | "traceparent"> {
  readonly runId?: RunId | undefined;
  readonly seq?: Seq | undefined;
  readonly cuts?: Cuts | undefined;
}

/** As a script gives it: where it stands, where it says that it stands, and what it says. */
export interface RawRecord {
  readonly offset: Offset;
  readonly cover: number;
  readonly said: string;
  readonly time: string;
  readonly text: string;
}

const radix = 36;
/** Longer data is not joined to the rest: that copies it once more. */
const maxJoinedUnits = 1_024;

function checksum(stream: StreamKey, time: string, head: string, data: string): string {
  const before = `${stream}\n${time}\n${head}\n`;
  return (data.length <= maxJoinedUnits ? crc32(before + data) : crc32(data, crc32(before))).toString(radix);
}

function encode(stream: StreamKey, time: string, head: Head, data: string): string {
  const text = JSON.stringify(head);
  return `${checksum(stream, time, text, data)}\n${text}\n${data}`;
}

export function recordOf(stream: StreamKey, event: NewEvent, runId?: RunId, seq?: Seq): string {
  const { id, type, threadId, repaired, traceparent } = event;
  return encode(stream, event.time, { id, type, threadId, repaired, traceparent, runId, seq }, event.data);
}

/** A merged delta: how much it covers, its offset, its time and its record. */
export function mergedOf(stream: StreamKey, { event, cuts }: Kept): string {
  const { id, type, threadId, repaired, traceparent, runId, seq } = event;
  const head = { id, type, threadId, repaired, traceparent, runId, seq, cuts };
  return `${coverOf(cuts)}\n${event.offset}\n${event.time}\n${encode(stream, event.time, head, event.data)}`;
}

/** Undefined: it failed its checksum, or stands where it does not belong. */
export function keptOf(stream: StreamKey, { offset, cover, said, time, text }: RawRecord): Kept | undefined {
  const headAt = text.indexOf("\n") + 1;
  const dataAt = text.indexOf("\n", headAt) + 1;
  if (headAt === 0 || dataAt === 0 || said !== String(offset)) return undefined;
  const head = text.slice(headAt, dataAt - 1);
  const data = text.slice(dataAt);
  if (text.slice(0, headAt - 1) !== checksum(stream, time, head, data)) return undefined;
  const { runId, seq, cuts, ...rest } = parseTrusted(head) as Head;
  if (coverOf(cuts) !== cover) return undefined;
  const event: StoredEvent = storedEvent({ ...rest, time, data }, offset, runId, seq);
  return cuts === undefined ? { event } : { event, cuts };
}

const wordsOfRecord = 5;

/** The records of a script's answer, from `at` on. */
export function rawRecords(words: readonly string[], at: number): RawRecord[] {
  const found: RawRecord[] = [];
  for (let from = at; from + wordsOfRecord <= words.length; from += wordsOfRecord) {
    const [offset = "", cover = "", said = "", time = "", text = ""] = words.slice(from, from + wordsOfRecord);
    found.push({ offset: Number(offset), cover: Number(cover), said, time, text });
  }
  return found;
}
