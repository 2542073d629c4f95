/**
 * What waits in the spool: an append as the log will be asked for it, and the place that it was given. The drain finds out
 * by it whether it has landed before: by the id of its first event.
 */
import type { Epoch, Fence, Offset, Seq } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { Append, NewEvent, RunRecord } from "../log/event-log.ts";

export interface Place {
  readonly epoch: Epoch;
  /** Of the last event. */
  readonly offset: Offset;
  /** Of the last event; 0 without a run. */
  readonly seq: Seq;
  readonly fence: Fence;
}

export interface Entry extends Place {
  readonly append: Append;
  /** Of the run as it is behind this append. */
  readonly record?: RunRecord | undefined;
}

/** What an entry costs in memory besides its text. */
const overheadBytes = 300;

export const firstId = ({ events }: Append): string => events[0]?.id ?? "";

export function entryBytes({ append }: Entry): number {
  let bytes = overheadBytes;
  for (const { data } of append.events) bytes += data.length + overheadBytes;
  return bytes;
}

export function entryText({ append, epoch, offset, seq, fence }: Entry): string {
  return JSON.stringify({ v: 1, epoch, offset, seq, fence, append });
}

export function entryOf(text: string): Entry {
  return parseTrusted(text) as Entry;
}

/** No name of a publisher's key holds a control character. */
const ownKeyMark = "\u0001";
export const isOwnKey = (name: string): boolean => name.startsWith(ownKeyMark);

/**
 * A notice without a key gets one of our own, so that a repeated one is known to the log; a run's seq does that for its
 * events.
 */
export function withOwnKey(append: Append): Append {
  const [first, ...others] = append.events;
  if (append.run !== undefined || first === undefined || append.events.some(({ key }) => key !== undefined))
    return append;
  const keyed: NewEvent = { ...first, key: { name: `${ownKeyMark}${first.id}`, digest: first.id } };
  return { ...append, events: [keyed, ...others] };
}
