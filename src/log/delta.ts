/**
 * Deltas that may be joined: on the way to a slow reader (`runtime/frames`) and in a log that is compacted. Only
 * neighbours are ever joined: text that moved behind another event would be lost to a reader that comes back with that
 * event's offset (L9).
 */
import { parseTrusted } from "../../protocol/json.ts";
import type { StoredEvent } from "./event-log.ts";

export interface Delta {
  readonly messageId: string;
  readonly channel: string;
  readonly text: string;
}

const bareDeltaFields = 3;

/** A delta that says nothing but its text: what a runner adds to one is kept, so that one stays alone. */
export function bareDelta(event: Pick<StoredEvent, "type" | "data">): Delta | undefined {
  if (event.type !== "agent_delta") return undefined;
  const data = parseTrusted(event.data) as Delta;
  return Object.keys(data).length === bareDeltaFields && typeof data.text === "string" ? data : undefined;
}

/** Whether one goes on where the other stopped: the same text of the same run. */
export function isSameText(a: StoredEvent, b: StoredEvent, ofA: Delta, ofB: Delta): boolean {
  return a.runId === b.runId && ofA.messageId === ofB.messageId && ofA.channel === ofB.channel;
}
