/** From a store setting to the event log behind it: the only place where a store's name becomes an adapter. */
import * as Layer from "effect/Layer";
import type { StoreSetting } from "../config-values.ts";
import type { InvalidConfig, LogUnavailable } from "../errors.ts";
import type { EventLog } from "./event-log.ts";
import { eventLogLayer, EventLogTag, memoryLogLayer, sqliteLogLayer } from "./layer.ts";

/**
 * Opens the store and closes it with its scope; a log that the application brought stays the application's.
 *
 * Fails: `InvalidConfig`, `LogUnavailable`, when the store does not open.
 */
export function storeLayer(
  store: StoreSetting | EventLog,
  commit: "fsync" | "os",
): Layer.Layer<EventLogTag, InvalidConfig | LogUnavailable> {
  if (!("kind" in store)) return Layer.succeed(EventLogTag, store);
  switch (store.kind) {
    case "memory":
      return memoryLogLayer();
    case "sqlite":
      return sqliteLogLayer({ path: store.file, durability: commit });
    case "redis":
      // Loaded on demand: its driver is an optional package.
      return eventLogLayer(async () => {
        const { openRedisLog } = await import("./redis/redis.ts");
        return openRedisLog({ url: store.url });
      });
    case "postgres":
      // Loaded on demand: its driver is an optional package.
      return eventLogLayer(async () => {
        const { openPostgresLog } = await import("./postgres/postgres.ts");
        return openPostgresLog({ url: store.url, durability: commit });
      });
  }
}
