/** The checksum of an event's row: made when it is written, verified whenever it is read. */
import { crc32 } from "node:zlib";
import type { NewEvent } from "./event-log.ts";

/** Names, not the numbers that stand for them in the table: a row that came under another owner's number is found. */
export interface Place {
  readonly stream: string;
  readonly offset: number;
  readonly runId: string | undefined;
  readonly seq: number | undefined;
}

/** Over every field and the place: a row that was changed, moved or swapped has another one. */
export function checksum(place: Place, event: Omit<NewEvent, "key">): number {
  const { stream, offset, runId = "", seq = 0 } = place;
  const { id, type, time, threadId = "", traceparent = "", repaired = false } = event;
  return crc32(
    `${stream}\n${offset}\n${runId}\n${seq}\n${id}\n${type}\n${time}\n${threadId}\n${traceparent}\n${repaired}\n${event.data}`,
  );
}
