/** From a store setting to the source or the target of a move; drivers are loaded when they are needed. */
import type { StoreSetting } from "../config-values.ts";
import { InvalidConfig } from "../errors.ts";
import type { LogSource, LogTarget } from "./transfer.ts";

/** Fails: InvalidConfig, LogUnavailable. */
export async function openSource(store: StoreSetting): Promise<LogSource> {
  switch (store.kind) {
    case "memory":
      throw new InvalidConfig({
        setting: "from",
        message: "cannot be memory:, which holds nothing for other processes",
      });
    case "sqlite":
      return (await import("./sqlite-transfer.ts")).openSqliteSource(store.file);
    case "postgres":
      return (await import("./postgres/transfer.ts")).openPostgresTransfer(store.url);
    case "redis":
      return (await import("./redis/transfer.ts")).openRedisTransfer(store.url);
  }
}

/** Brings the target to this release's schema. Fails: InvalidConfig, LogUnavailable. */
export async function openTarget(store: StoreSetting): Promise<LogTarget> {
  switch (store.kind) {
    case "memory":
      throw new InvalidConfig({ setting: "to", message: "cannot be memory:, which is gone with its process" });
    case "sqlite":
      return (await import("./sqlite-transfer.ts")).openSqliteTarget(store.file);
    case "postgres":
      return (await import("./postgres/transfer.ts")).openPostgresTransfer(store.url);
    case "redis":
      return (await import("./redis/transfer.ts")).openRedisTransfer(store.url);
  }
}

/** What opening the target would change in it, a line each. Changes nothing. Fails as `openTarget` does. */
export async function schemaStepsOf(store: StoreSetting): Promise<readonly string[]> {
  return store.kind === "postgres" ? (await import("./postgres/transfer.ts")).postgresMigrationsDue(store.url) : [];
}
