/**
 * Frames as bytes. An event's text is put together from what the log holds, without parsing its data again, and a
 * frame is encoded once for all who get it.
 */
import type { JsonObject } from "../../protocol/event.ts";
import type { ServerFrame } from "../../protocol/frames.ts";
import type { Offset } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { StoredEvent } from "../log/event-log.ts";
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
  if (event.traceparent !== undefined) text += `,"traceparent":"${event.traceparent}"`;
  return `${text}}`;
}

/** The event as an object, for HTTP answers and folds. */
export function eventObject(event: StoredEvent): JsonObject {
  return parseTrusted(eventText(event)) as JsonObject;
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

interface Delta {
  readonly messageId: string;
  readonly channel: string;
  readonly text: string;
}

/**
 * Joins the deltas of one message into one that bears the last offset it covers. Only within a run's own order:
 * a delta is joined when nothing else of its run stands between. Lifecycle events are never touched.
 */
export function mergeDeltas(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const merged: (StoredEvent | undefined)[] = [];
  const lastOfRun = new Map<string, { at: number; delta: Delta | undefined }>();
  for (const event of events) {
    const delta =
      event.type === "agent_delta" && event.runId !== undefined ? (parseTrusted(event.data) as Delta) : undefined;
    const last = event.runId === undefined ? undefined : lastOfRun.get(event.runId);
    let kept: StoredEvent = event;
    let keptDelta = delta;
    if (delta && last?.delta?.messageId === delta.messageId && last.delta.channel === delta.channel) {
      keptDelta = { ...delta, text: last.delta.text + delta.text };
      kept = { ...event, data: JSON.stringify(keptDelta) };
      merged[last.at] = undefined;
    }
    merged.push(kept);
    if (event.runId !== undefined) lastOfRun.set(event.runId, { at: merged.length - 1, delta: keptDelta });
  }
  return merged.filter((event) => event !== undefined);
}
