/**
 * One call of a runner on its way: its events as they will travel, each with a key, and the promise of who said it.
 * A call is written whole or not at all; which calls share a request is decided here.
 */
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import { bodyLimits } from "../../protocol/json.ts";
import { maxEventsPerPublish } from "../../protocol/limits.ts";
import type { PublishFailure } from "./publish-failure.ts";
import { InvalidInput, TooLarge } from "./publish-failure.ts";
import type { RunPicture } from "./run-picture.ts";
import { isPayload, isTerminal } from "./run-picture.ts";

/** For the braces, the fence and the names around the events. */
const shellBytes = 512;
const maxEventBytes = bodyLimits.maxChars - shellBytes;

const encoder = new TextEncoder();

export interface Said {
  readonly events: readonly EventInput[];
  /** JSON, joined by commas: made when it was said, so that what changes afterwards changes nothing. */
  readonly text: string;
  readonly bytes: number;
  /** All keys were made for it: none of them can be known already. */
  readonly hasFreshKeys: boolean;
  readonly traceparent: string | undefined;
  /** It does not share a request: the server refused one for a reason that names nobody. */
  isAlone: boolean;
  readonly answered: Promise<PublishAnswer>;
  readonly resolve: (answer: PublishAnswer) => void;
  readonly reject: (failure: PublishFailure) => void;
}

function jsonOf(event: EventInput, index: number): string {
  try {
    const { type, data, key } = event;
    return JSON.stringify({ type, data, key });
  } catch {
    throw new InvalidInput({ code: "invalid_event", path: `events[${index}].data`, message: "is not JSON" });
  }
}

export interface Keys {
  readonly next: () => string;
  /** Nobody has said it before; none at all is to be made. */
  readonly isFresh: (key: string | undefined) => boolean;
}

/** Fails: throws `InvalidInput`, `TooLarge`: what no request could carry. */
export function said(events: readonly EventInput[], keys: Keys, traceparent: string | undefined): Said {
  if (events.length === 0 || events.length > maxEventsPerPublish)
    throw new InvalidInput({ code: "invalid", path: "events", message: `must be 1 to ${maxEventsPerPublish} items` });
  const keyed = events.map((event) => (event.key === undefined ? { ...event, key: keys.next() } : event));
  const text = keyed.map(jsonOf).join(",");
  const bytes = encoder.encode(text).byteLength;
  if (bytes > maxEventBytes)
    throw new TooLarge({ maxBytes: maxEventBytes, message: `the events are larger than ${maxEventBytes} bytes` });
  const { promise, resolve, reject } = Promise.withResolvers<PublishAnswer>();
  // A refusal that nobody waits for does not end the process.
  promise.catch(() => {});
  return {
    events: keyed,
    text,
    bytes,
    hasFreshKeys:
      new Set(keyed.map(({ key }) => key)).size === keyed.length && events.every(({ key }) => keys.isFresh(key)),
    traceparent,
    isAlone: false,
    answered: promise,
    resolve,
    reject,
  };
}

/**
 * How many calls from the front of the queue go into the next request. Each must learn from the one answer where its
 * own events stand, so a call that the server may write more or less for than was said stands at an edge.
 *
 * Shape: `mayRepair`: the run may be one whose illegal events are repaired or quarantined.
 */
export function joined(queue: readonly Said[], picture: RunPicture, mayRepair: boolean): number {
  const [first] = queue;
  if (first === undefined || first.isAlone || !first.hasFreshKeys) return 1;
  const after = picture.copy();
  let bytes = 0;
  let events = 0;
  for (const [index, call] of queue.entries()) {
    const isFirst = index === 0;
    bytes += call.bytes + 1;
    events += call.events.length;
    if (call.isAlone || !call.hasFreshKeys || call.traceparent !== first.traceparent) return index;
    if (bytes > maxEventBytes || events > maxEventsPerPublish) return isFirst ? 1 : index;
    if (mayRepair && !call.events.every(({ type }) => isPayload(type))) return isFirst ? 1 : index;
    for (const event of call.events) {
      // Ending over open calls, the server closes them in between.
      if (isTerminal(event.type)) return isFirst || !after.hasOpenCalls ? index + 1 : index;
      after.fold(event);
    }
  }
  return queue.length;
}
