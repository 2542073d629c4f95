import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openPostgresLog } from "../../src/log/postgres/postgres.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import type { StoreFinding } from "../../src/log/store-finding.ts";
import { stablePort } from "../support/built-server.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { RedisServer } from "../support/redis-server.ts";
import { program } from "./program.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runcast-doctor-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What it found, by what it looked at; and its exit code. */
async function examined(store: string, env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await program(folder, ["doctor", "--json", "--store", store], env).ended;
  expect(stderr).toBe("");
  const { ok, findings }: { ok: boolean; findings: StoreFinding[] } = JSON.parse(stdout);
  const levels = Object.fromEntries(findings.map(({ what, level }) => [what, level]));
  const says = Object.fromEntries(findings.map(({ what, says: said, advice }) => [what, `${said} ${advice ?? ""}`]));
  return { code, ok, levels, says, stdout };
}

const pageBytes = 4_096;

/** Overwrites what the pages behind the schema's say of themselves. */
function damage(path: string): void {
  const bytes = readFileSync(path);
  for (let at = 40 * pageBytes; at < bytes.length; at += pageBytes) bytes.fill(0xa5, at, at + 64);
  writeFileSync(path, bytes);
}

describe("runcast doctor on settings", () => {
  it("finds a store that is not there yet in order, makes none, and says a line for each thing", async () => {
    const { code, stdout } = await program(folder, ["doctor"]).ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok +settings: all settings can be read$/m);
    expect(stdout).toMatch(/^warning +auth: dev mode.* → set RUNCAST_JWT_SECRET/m);
    expect(stdout).toMatch(/^ok +sqlite.file: .*runcast.db is not there yet/m);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("names a setting that cannot be read, and shows no password", async () => {
    const bad = await examined("memory:", { RUNCAST_LEASE_MS: "soon" });
    expect(bad).toMatchObject({ code: 1, ok: false, levels: { settings: "error" } });
    expect(bad.says["settings"]).toContain("RUNCAST_LEASE_MS");
    const port = await stablePort();
    for (const url of [`postgres://me:hush@127.0.0.1:${port}/db`, `redis://me:hush@127.0.0.1:${port}`]) {
      const gone = await examined(url);
      const what = `${url.split(":", 1)[0]}.reachable`;
      expect(gone).toMatchObject({ code: 1, levels: { [what]: "error" } });
      expect(gone.stdout).not.toContain("hush");
    }
    expect(await examined("memory:")).toMatchObject({ code: 0, levels: { memory: "warning" } });
  });
});

describe("runcast doctor on a SQLite file", () => {
  it("finds a sound one sound, one that a server has open held, and a damaged one damaged", async () => {
    const path = join(folder, "log.db");
    const log = await openSqliteLog({ path });
    for (let kind = 0; kind < 300; kind += 1)
      await log.putDocument({ kind: `kind ${kind}`, key: "k", value: JSON.stringify("v".repeat(200)) });
    expect(await examined(`sqlite:${path}`)).toMatchObject({ code: 0, levels: { "sqlite.lock": "warning" } });
    await log.close();
    const sound = await examined(`sqlite:${path}`);
    expect(sound).toMatchObject({
      ...{
        code: 0,
        levels: {
          "sqlite.lock": "ok",
          "sqlite.schema": "ok",
          "sqlite.integrity": "ok",
          "sqlite.disk": expect.any(String),
        },
      },
    });
    damage(path);
    expect(await examined(`sqlite:${path}`)).toMatchObject({ code: 1, levels: { "sqlite.integrity": "error" } });
  });

  it("refuses a newer schema, another program's file, no database, and no folder", async () => {
    const newer = join(folder, "newer.db");
    const database = new DatabaseSync(newer);
    database.exec("CREATE TABLE t (a); PRAGMA user_version = 99");
    database.close();
    expect(await examined(`sqlite:${newer}`)).toMatchObject({ code: 1, levels: { "sqlite.schema": "error" } });
    const text = join(folder, "text.db");
    writeFileSync(text, "no database at all".repeat(100));
    expect(await examined(`sqlite:${text}`)).toMatchObject({ code: 1, levels: { "sqlite.file": "error" } });
    const none = await examined(`sqlite:${join(folder, "none", "log.db")}`);
    expect(none).toMatchObject({ code: 1, levels: { "sqlite.folder": "error" } });
  });
});

describe("runcast doctor on PostgreSQL", () => {
  let postgres: PostgresServer;
  beforeAll(async () => {
    postgres = await PostgresServer.start("fsync=on", "full_page_writes=on", "max_connections=30");
  });
  afterAll(() => postgres[Symbol.asyncDispose]());

  it("finds one sound, says what a start would do to it, and does nothing of it", async () => {
    const url = await postgres.database();
    const fresh = await examined(url);
    expect(fresh.code).toBe(0);
    expect(Object.values(fresh.levels)).not.toContain("error");
    expect(fresh.says["postgres.schema"]).toContain("brings it to 1");
    const [, name = ""] = /(test_\d+)$/.exec(url) ?? [];
    expect(await postgres.sql("SELECT to_regnamespace('runcast')", name)).toEqual([[null]]);
    await (await openPostgresLog({ url: `${url}?partitions=2` })).close();
    expect((await examined(url)).says["postgres.schema"]).toContain("is this release's");
  });

  it("warns of a pool that leaves no room for a second node, and of timeouts that tell nothing", async () => {
    const url = await postgres.database();
    const big = await examined(`${url}?pool=20&lock_timeout_ms=20000`);
    expect(big.levels).toMatchObject({ "postgres.connections": "warning", "postgres.timeouts": "warning" });
    expect(await examined(`${url}?pool=40`)).toMatchObject({ code: 1, levels: { "postgres.connections": "error" } });
  });

  it("refuses a user without rights, and says which", async () => {
    const url = await postgres.database();
    await postgres.sql("CREATE ROLE guest LOGIN");
    const guest = await examined(url.replace("postgres@", "guest@"));
    expect(guest).toMatchObject({ code: 1, levels: { "postgres.rights": "error" } });
    expect(guest.says["postgres.rights"]).toContain("GRANT CREATE");
  });

  it("refuses a server that does not wait for its disk", async () => {
    await using careless = await PostgresServer.start();
    const found = await examined(careless.url());
    expect(found).toMatchObject({ code: 1, levels: { "postgres.fsync": "error", "postgres.version": "ok" } });
  });
});

describe("runcast doctor on Redis", () => {
  it("finds one sound that writes every append down, and keeps everything", async () => {
    await using redis = await RedisServer.start({ appendfsync: "always" });
    const found = await examined(redis.url);
    expect(found.code).toBe(0);
    expect(found.levels).toMatchObject({
      ...{ "redis.version": "ok", "redis.role": "ok", "redis.aof": "ok", "redis.fsync": "ok" },
      ...{ "redis.memory": "ok", "redis.replicas": "ok", "redis.clock": "ok" },
    });
    expect(await examined(`${redis.url}?wait=1`)).toMatchObject({ code: 1, levels: { "redis.replicas": "error" } });
  });

  it("refuses one that forgets or evicts, and warns of the last second", async () => {
    await using forgetful = await RedisServer.start({
      more: ["--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb"],
    });
    const found = await examined(forgetful.url);
    expect(found).toMatchObject({ code: 1, levels: { "redis.aof": "error", "redis.memory": "error" } });
    const accepted = await examined(`${forgetful.url}?durability=none`);
    expect(accepted.levels).toMatchObject({ "redis.aof": "warning" });
    await using everysec = await RedisServer.start({ appendfsync: "everysec" });
    expect(await examined(everysec.url)).toMatchObject({ code: 0, levels: { "redis.fsync": "warning" } });
  });

  it("warns where a failover may lose what was acknowledged, and refuses a replica", async () => {
    await using primary = await RedisServer.start({ appendfsync: "always" });
    await using replica = await RedisServer.start({ replicaOf: primary, appendfsync: "always" });
    expect(await examined(primary.url)).toMatchObject({ code: 0, levels: { "redis.replicas": "warning" } });
    expect(await examined(replica.url)).toMatchObject({ code: 1, levels: { "redis.role": "error" } });
  });
});
