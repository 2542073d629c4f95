/** The event log as an Effect service: opened when its scope begins, closed when it ends. */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { InvalidConfig, LogUnavailable } from "../errors.ts";
import { logRetryAfterMs } from "./closed.ts";
import type { EventLog } from "./event-log.ts";
import { type MemoryLogOptions, memoryLog } from "./memory.ts";
import { openSqliteLog, type SqliteLogOptions } from "./sqlite.ts";

export class EventLogTag extends Context.Service<EventLogTag, EventLog>()("runcast/EventLog") {}

/** Any adapter's log. Closing waits for what was accepted. */
export function eventLogLayer(open: () => Promise<EventLog>): Layer.Layer<EventLogTag, InvalidConfig | LogUnavailable> {
  const opened = Effect.tryPromise({ try: open, catch: asExpected });
  return Layer.effect(
    EventLogTag,
    Effect.acquireRelease(opened, (log) => Effect.promise(() => log.close())),
  );
}

export const sqliteLogLayer = (options: SqliteLogOptions) => eventLogLayer(() => openSqliteLog(options));
export const memoryLogLayer = (options?: MemoryLogOptions) => eventLogLayer(async () => memoryLog(options));

function asExpected(error: unknown): InvalidConfig | LogUnavailable {
  if (error instanceof InvalidConfig || error instanceof LogUnavailable) return error;
  return new LogUnavailable({ message: "the event log cannot be opened", retryAfterMs: logRetryAfterMs, cause: error });
}
