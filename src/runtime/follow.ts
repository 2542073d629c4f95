/**
 * A stream as an `AsyncIterable`, for code in the server's own process: read the log after a cursor, wait for the
 * bell, read on. The same path as every connection, without a socket.
 */
import type { StreamEvent } from "../../protocol/event.ts";
import type { Offset, StreamKey } from "../../protocol/ids.ts";
import type { EventLog, ReadLimit } from "../log/event-log.ts";
import { eventObject } from "./frames.ts";

const page: ReadLimit = { maxEvents: 500, maxBytes: 1_048_576 };

/** Every event with offset > `after`, then what comes; ends when `signal` aborts. */
export async function* follow(
  log: EventLog,
  stream: StreamKey,
  after: Offset,
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
  try {
    let at = after;
    while (!signal?.aborted) {
      rung = false;
      const { events, upto, head } = await log.read(stream, at, page);
      for (const event of events) yield eventObject(event);
      at = upto;
      if (at >= head && !rung && !signal?.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    unwatch();
    signal?.removeEventListener("abort", ring);
  }
}
