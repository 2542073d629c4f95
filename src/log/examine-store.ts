/** Examines the store that a server would use, without changing anything in it. Drivers are loaded when they are needed. */
import type { StoreSetting } from "../config-values.ts";
import { InvalidConfig, LogUnavailable } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { fails, type StoreFinding, warns } from "./store-finding.ts";

/** What is wrong with it is found, not thrown. */
export async function examineStore(store: StoreSetting, clock: Clock): Promise<readonly StoreFinding[]> {
  try {
    switch (store.kind) {
      case "memory":
        return [warns("memory", "events are gone with the process", "use sqlite:<file>, postgres://… or redis://…")];
      case "sqlite":
        return (await import("./sqlite-examination.ts")).examineSqlite(store.file);
      case "postgres":
        return await (await import("./postgres/examination.ts")).examinePostgres(store.url, clock);
      case "redis":
        return await (await import("./redis/examination.ts")).examineRedis(store.url);
    }
  } catch (cause) {
    if (cause instanceof InvalidConfig)
      return [fails(store.kind, `the store ${cause.message}`, "change RUNCAST_STORE")];
    if (cause instanceof LogUnavailable) return [fails(`${store.kind}.reachable`, reasonOf(cause), isItUp)];
    throw cause;
  }
}

const isItUp = "is it up, and does a firewall or a name stand between?";

function reasonOf({ message, cause }: LogUnavailable): string {
  return cause instanceof Error && !message.includes(cause.message) ? `${message}: ${cause.message}` : message;
}
