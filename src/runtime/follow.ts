/**
 * A stream as an `AsyncIterable`, for code in the server's own process: read the log after a cursor, wait for the
 * bell, read on. The same path as every connection, without a socket.
 */
import type { StreamEvent } from "../../protocol/event.ts";
import type { Offset, StreamKey } from "../../protocol/ids.ts";
import { CursorExpired } from "../errors.ts";
import type { EventLog, ReadLimit } from "../log/event-log.ts";
import { eventObject } from "./frames.ts";

const page: ReadLimit = { maxEvents: 500, maxBytes: 1_048_576 };

/**
 * Every event with offset > `after` (undefined: all that is kept), then what comes; ends when `signal` aborts.
 *
 * Fails: `CursorExpired` before it would leave anything out.
 */
export async function* follow(
  log: EventLog,
  stream: StreamKey,
  after: Offset | undefined,
  signal?: AbortSignal,
): AsyncGenerator<StreamEvent, void, undefined> {
  let wake = (): void => {};
  let rung = false;
  const ring = (): void => {
    rung = true;
    wake();
  };
  const unwatch = log.watch((bell) => {
    if (bell.stream === stream) ring();
  });
  signal?.addEventListener("abort", ring);
  let unfollow: (() => void) | undefined;
  try {
    // Before the first look: what other processes append after it rings.
    if (log.follow !== undefined) unfollow = await log.follow(stream);
    let at = after;
    while (!signal?.aborted) {
      rung = false;
      const { events, upto, first, head } = await log.read(stream, at ?? 0, page);
      if (at !== undefined) requireKept(at, first, head);
      for (const event of events) yield eventObject(event);
      at = upto;
      if (upto >= head && !rung && !signal?.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    unwatch();
    unfollow?.();
    signal?.removeEventListener("abort", ring);
  }
}

function requireKept(at: Offset, first: Offset, head: Offset): void {
  if (at > head) {
    const message = `the stream ends at ${head}, before ${at}: the cursor is of another log`;
    throw new CursorExpired({ reason: "ahead", first, head, message });
  }
  if (at < first - 1) {
    const message = `events ${at + 1} to ${first - 1} are older than what is kept`;
    throw new CursorExpired({ reason: "retention", first, head, message });
  }
}
