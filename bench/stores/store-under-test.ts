/**
 * A store as the bench runs it: started alone, emptied for each measurement, asked what it has used. Embedded stores have
 * no server: what they use is the process's own.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { RedisServer } from "../../test/support/redis-server.ts";
import { PostgresServer } from "./postgres-server.ts";
import { cpuSecondsOf } from "./process-cpu.ts";

export const storeNames = ["memory", "sqlite-os", "sqlite", "postgres", "redis-everysec", "redis-always"] as const;
export type StoreName = (typeof storeNames)[number];

export interface StoreUse {
  readonly cpuSeconds: number;
  /** Redis: commands that it ran, those of scripts included. PostgreSQL: transactions. */
  readonly operations: number;
}

export interface StoreUnderTest extends AsyncDisposable {
  readonly name: StoreName;
  /** In a table, with what "durable" means there. */
  readonly label: string;
  readonly version: string;
  readonly commit: "fsync" | "os";
  /** 0 for a store without a server. */
  readonly port: number;
  /** The name of an empty store. */
  fresh(): Promise<string>;
  use(): Promise<StoreUse>;
  /** What its data take: on the disk, or of Redis in memory. */
  storedBytes(): Promise<number>;
}

async function redis(appendfsync: "always" | "everysec"): Promise<StoreUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), "runcast-bench-redis-"));
  const server = await RedisServer.start({ appendfsync, more: ["--dir", folder] });
  const client = createClient({ url: server.url });
  client.on("error", () => {});
  await client.connect();
  const field = async (section: string, name: string): Promise<string> =>
    new RegExp(`^${name}:(\\S+)`, "m").exec(await client.info(section))?.[1] ?? "";
  const pid = Number(await field("server", "process_id"));
  return {
    name: `redis-${appendfsync}`,
    label: `Redis, AOF ${appendfsync}`,
    version: `Redis ${await field("server", "redis_version")}`,
    commit: "fsync",
    port: server.port,
    fresh: async () => {
      await client.flushAll();
      return server.url;
    },
    use: async () => ({
      cpuSeconds: cpuSecondsOf(pid),
      operations: Number(await field("stats", "total_commands_processed")),
    }),
    storedBytes: async () => Number(await field("memory", "used_memory")),
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function postgres(): Promise<StoreUnderTest> {
  const server = await PostgresServer.start();
  const [row] = await server.ask("SHOW server_version", "postgres");
  const version = String(row?.["server_version"]).split(" ")[0] ?? "";
  return {
    name: "postgres",
    label: "PostgreSQL, synchronous_commit on",
    version: `PostgreSQL ${version}`,
    commit: "fsync",
    port: server.port,
    fresh: () => server.freshUrl(),
    use: async () => {
      const [sum] = await server.ask("SELECT sum(xact_commit + xact_rollback) AS n FROM pg_stat_database", "postgres");
      return { cpuSeconds: cpuSecondsOf(server.pid), operations: Number(sum?.["n"]) };
    },
    storedBytes: async () => {
      const [sum] = await server.ask("SELECT sum(pg_database_size(oid)) AS n FROM pg_database", "postgres");
      return Number(sum?.["n"]);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function embedded(name: "memory" | "sqlite" | "sqlite-os"): StoreUnderTest {
  const folder = mkdtempSync(join(tmpdir(), "runcast-bench-"));
  const commit = name === "sqlite" ? "fsync" : "os";
  let files = 0;
  return {
    name,
    label: { memory: "memory", sqlite: "SQLite, fsync", "sqlite-os": "SQLite, os" }[name],
    version: name === "memory" ? "" : `SQLite ${process.versions["sqlite"] ?? ""}`,
    commit,
    port: 0,
    fresh: async () => {
      files += 1;
      return name === "memory" ? "memory:" : `sqlite:${join(folder, `${files}.db`)}`;
    },
    use: async () => ({ cpuSeconds: 0, operations: 0 }),
    storedBytes: async () =>
      readdirSync(folder).reduce(
        (sum, file) => sum + (statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0),
        0,
      ),
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Starts the server of a store, where it has one. Fails with what is to be installed. */
export async function startStore(name: StoreName): Promise<StoreUnderTest> {
  if (name === "redis-always") return redis("always");
  if (name === "redis-everysec") return redis("everysec");
  return name === "postgres" ? postgres() : embedded(name);
}
