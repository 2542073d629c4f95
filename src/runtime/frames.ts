/**
 * Frames as bytes. An event's text is put together from what the log holds, without parsing its data again, and a
 * frame is encoded once for all who get it.
 */
import type { StreamEvent } from "../../protocol/event.ts";
import type { ServerFrame } from "../../protocol/frames.ts";
import type { Offset } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { bareDelta, type Delta, isSameText } from "../log/delta.ts";
import type { ReadLimit, StoredEvent } from "../log/event-log.ts";
import type { EncodedFrame } from "./transport.ts";

const utf8 = new TextEncoder();
const encode = (text: string): Uint8Array => (typeof Buffer === "undefined" ? utf8.encode(text) : Buffer.from(text));

/** The event's JSON. Ids, types and times hold no character that JSON escapes; thread ids may. */
export function eventText(event: StoredEvent): string {
  let text = `{"id":"${event.id}","type":"${event.type}"`;
  if (event.runId !== undefined) text += `,"runId":"${event.runId}","seq":${event.seq}`;
  text += `,"offset":${event.offset}`;
  if (event.threadId !== undefined) text += `,"threadId":${JSON.stringify(event.threadId)}`;
  text += `,"time":"${event.time}","data":${event.data}`;
  if (event.repaired) text += ',"repaired":true';
  if (event.durability !== undefined) text += `,"durability":"${event.durability}"`;
  if (event.traceparent !== undefined) text += `,"traceparent":${JSON.stringify(event.traceparent)}`;
  return `${text}}`;
}

/** The event as an object, for HTTP answers and folds. */
export function eventObject(event: StoredEvent): StreamEvent {
  return parseTrusted(eventText(event)) as StreamEvent;
}

/**
 * One frame holds at most this, or one event. A frame is all or nothing to who receives it, and the only sign of life
 * on a slow line: so large that a line of 16 kbit/s brings two within three heartbeats, and no larger.
 */
export const maxFrame: ReadLimit = { maxEvents: 128, maxBytes: 32 * 1_024 };

/** Events in the parts that leave as frames. */
export function inFrames(
  events: readonly StoredEvent[],
  maxEvents = maxFrame.maxEvents,
): readonly (readonly StoredEvent[])[] {
  const parts: (readonly StoredEvent[])[] = [];
  let start = 0;
  let bytes = 0;
  for (const [at, { data }] of events.entries()) {
    if (at > start && (at - start >= maxEvents || bytes + data.length > maxFrame.maxBytes)) {
      parts.push(events.slice(start, at));
      start = at;
      bytes = 0;
    }
    bytes += data.length;
  }
  if (start < events.length) parts.push(events.slice(start));
  return parts;
}

/** An `events` frame from event texts. */
export function eventsFrame(after: Offset, upto: Offset, texts: readonly string[]): EncodedFrame {
  return {
    name: "events",
    bytes: encode(`{"type":"events","after":${after},"upto":${upto},"events":[${texts.join(",")}]}`),
    upto,
  };
}

/** Any other frame. */
export function encodeFrame(frame: Exclude<ServerFrame, { type: "events" }>): EncodedFrame {
  const upto = frame.type === "snapshot" ? frame.at : frame.type === "gap" ? frame.upto : undefined;
  return { name: frame.type, bytes: encode(JSON.stringify(frame)), upto };
}

/**
 * Joins neighbouring deltas of one message into one that bears the last offset it covers. Only neighbours: text that
 * moved behind another event would be lost to a reader that comes back with that event's offset (L9).
 */
export function mergeDeltas(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const merged: StoredEvent[] = [];
  let joined: { last: StoredEvent; readonly first: Delta; readonly texts: string[] } | undefined;
  const close = (): void => {
    if (joined === undefined) return;
    const { last, first, texts } = joined;
    merged.push(texts.length === 1 ? last : { ...last, data: JSON.stringify({ ...first, text: texts.join("") }) });
    joined = undefined;
  };
  for (const event of events) {
    const delta = bareDelta(event);
    if (joined && delta && isSameText(joined.last, event, joined.first, delta)) {
      joined.last = event;
      joined.texts.push(delta.text);
      continue;
    }
    close();
    if (delta === undefined) merged.push(event);
    else joined = { last: event, first: delta, texts: [delta.text] };
  }
  close();
  return merged;
}

const toolCallOf = ({ data }: StoredEvent): unknown => (parseTrusted(data) as { toolCallId?: unknown }).toolCallId;

/** Of neighbouring progress of one tool call the newest: it says all that those before it say (L9). Only neighbours. */
export function newestProgress(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const isSame = (one: StoredEvent | undefined, next: StoredEvent): boolean =>
    one?.type === "tool_progress" &&
    next.type === "tool_progress" &&
    one.runId === next.runId &&
    toolCallOf(one) === toolCallOf(next);
  return events.filter((event, at) => {
    const next = events[at + 1];
    return next === undefined || !isSame(event, next);
  });
}
