/**
 * The event log as a service: which adapter stands behind it is the only thing that a store setting changes. The
 * layer closes what it opened; a log that the application brought stays the application's.
 */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { StoreSetting } from "../config-values.ts";
import { LogUnavailable } from "../errors.ts";
import type { EventLog } from "./event-log.ts";
import { memoryLog } from "./memory.ts";

export class EventLogTag extends Context.Service<EventLogTag, EventLog>()("runcast/log/EventLog") {}

const retryAfterMs = 1_000;

async function open(store: StoreSetting, commit: "fsync" | "os"): Promise<EventLog> {
  if (store.kind === "memory") return memoryLog();
  const { openSqliteLog } = await import("./sqlite.ts");
  return openSqliteLog({ path: store.file, durability: commit });
}

/** Fails: `LogUnavailable`, naming the store, when it does not open. */
export function logLayer(
  store: StoreSetting | EventLog,
  commit: "fsync" | "os" = "fsync",
): Layer.Layer<EventLogTag, LogUnavailable> {
  if (!("kind" in store)) return Layer.succeed(EventLogTag, store);
  const opened = Effect.tryPromise({
    try: () => open(store, commit),
    catch: (cause) =>
      cause instanceof LogUnavailable
        ? cause
        : new LogUnavailable({
            message: `the store does not open: ${cause instanceof Error ? cause.message : String(cause)}`,
            retryAfterMs,
            cause,
          }),
  });
  return Layer.effect(
    EventLogTag,
    Effect.acquireRelease(opened, (log) => Effect.promise(() => log.close())),
  );
}
