/**
 * How a new event becomes a stored one. Every adapter uses it, so that an event read from the log and the same event
 * rung by the bell are equal to the letter (L15).
 */
import type { Offset, RunId, Seq } from "../../protocol/ids.ts";
import type { Append, NewEvent, StoredEvent } from "./event-log.ts";

type Writable<Shape> = { -readonly [Key in keyof Shape]: Shape[Key] };

/** Fields that are not there are left out, not set to undefined: the object is encoded as it is. */
export function storedEvent(event: NewEvent, offset: Offset, runId?: RunId, seq?: Seq): StoredEvent {
  // Assigned one by one: conditional spreads cost four times as much, and every event passes here.
  const stored: Writable<StoredEvent> = { id: event.id, type: event.type, offset, time: event.time, data: event.data };
  if (runId !== undefined) {
    stored.runId = runId;
    stored.seq = seq;
  }
  if (event.threadId !== undefined) stored.threadId = event.threadId;
  if (event.repaired === true) stored.repaired = true;
  if (event.traceparent !== undefined) stored.traceparent = event.traceparent;
  return stored;
}

/** Of the events of an append, those that got a row in the outbox. */
export function escalatedOf({ escalate }: Append, events: readonly StoredEvent[]): readonly StoredEvent[] | undefined {
  return escalate && events.filter((_, index) => escalate.includes(index));
}

/** The events of an append at the places that its answer named. */
export function storedEvents({ events, run }: Append, lastOffset: Offset, lastSeq: Seq): StoredEvent[] {
  const before = events.length - 1;
  return events.map((event, index) =>
    storedEvent(event, lastOffset - before + index, run?.runId, run && lastSeq - before + index),
  );
}
