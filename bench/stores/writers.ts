/**
 * Who writes under measurement: our log, and the floor beside it, which is the store bare. The floor writes the same text
 * into one append-only table or stream, with the same durability, and keeps no runs, no counters, no keys and no rules.
 */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { createClient } from "redis";
import { asRunId, asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import type { NewEvent } from "../../src/log/event-log.ts";
import { deltas } from "../wire/workload.ts";
import { openLog } from "./open-log.ts";
import type { StoreUnderTest } from "./store-under-test.ts";

export interface Writer {
  /** Writes a batch as publisher number so and so; resolves when it is as durable as the store makes it. */
  write(publisher: number, batch: number): Promise<unknown>;
  close(): Promise<void>;
}

/** What `pg` itself takes as its default is 10. */
const poolSize = 10;
const time = "2026-11-29T10:00:00.000Z";
const columnNames = ["stream", "place", "id", "type", "time", "data"] as const;
let row = 0;
let place = 0;

function newEvents(count: number): NewEvent[] {
  return deltas(count).map(({ type, data }) => {
    row += 1;
    return { id: `0192f0c1-aaaa-7000-8000-${row}`, type, time, data: JSON.stringify(data) };
  });
}

/** Every publisher has a run of a user of its own. */
export async function ourWriter(store: StoreUnderTest, publishers: number): Promise<Writer> {
  const { log, close } = await openLog(await store.fresh(), store.commit);
  const tenantId = asTenantId("bench");
  const runs = await Promise.all(
    Array.from({ length: publishers }, async (_, index) => {
      const runId = asRunId(`run-${index}`);
      const stream = streamKey(tenantId, asUserId(`user-${index}`));
      const shared = { tenantId, agent: "bench", profile: "standard", onIllegal: "reject", mode: "regular" } as const;
      const create = { ...shared, runId, stream, leaseMs: 3_600_000, startDigest: "", startedAt: time };
      const made = await log.append({
        stream,
        events: newEvents(1),
        run: { tenantId, runId, expectedSeq: 0, create },
      });
      if (made.kind !== "appended") throw new Error(`a run was not made: ${made.kind}`);
      return { runId, stream, seq: 1 };
    }),
  );
  return {
    write: async (publisher, batch) => {
      const run = runs[publisher];
      if (run === undefined) throw new Error(`there is no publisher ${publisher}`);
      const { runId, stream, seq: expectedSeq } = run;
      run.seq += batch;
      const answer = await log.append({
        stream,
        events: newEvents(batch),
        run: { tenantId, runId, expectedSeq, fence: 1 },
      });
      if (answer.kind !== "appended") throw new Error(`an append was refused: ${answer.kind}`);
    },
    close,
  };
}

/** All publishers' batches of one turn of the event loop share a commit, as ours do. */
function bareSqlite(file: string, commit: "fsync" | "os"): Writer {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA locking_mode = EXCLUSIVE; PRAGMA wal_autocheckpoint = 4000");
  database.exec(`PRAGMA synchronous = ${commit === "fsync" ? "FULL" : "OFF"}`);
  database.exec(`CREATE TABLE events (row INTEGER PRIMARY KEY, stream INTEGER, place INTEGER, id TEXT, type TEXT,
    time TEXT, data TEXT) STRICT; CREATE UNIQUE INDEX events_place ON events (stream, place)`);
  const insert = database.prepare("INSERT INTO events (stream, place, id, type, time, data) VALUES (?, ?, ?, ?, ?, ?)");
  let waiting: { publisher: number; batch: number; done: () => void }[] = [];
  const flush = (): void => {
    const group = waiting;
    waiting = [];
    database.exec("BEGIN");
    for (const { publisher, batch } of group)
      for (const { id, type, time: at, data } of newEvents(batch))
        insert.run(publisher, (place += 1), id, type, at, data);
    database.exec("COMMIT");
    for (const { done } of group) done();
  };
  return {
    write: (publisher, batch) =>
      new Promise<void>((done) => {
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({ publisher, batch, done });
      }),
    close: async () => database.close(),
  };
}

async function barePostgres(url: string): Promise<Writer> {
  const pool = new pg.Pool({ connectionString: url, max: poolSize });
  await pool.query(`CREATE TABLE events (row bigserial PRIMARY KEY, stream int, place bigint, id text, type text,
    time timestamptz, data text); CREATE UNIQUE INDEX ON events (stream, place)`);
  return {
    write: (publisher, batch) => {
      const values = newEvents(batch).flatMap(({ id, type, time: at, data }) => [
        publisher,
        (place += 1),
        id,
        type,
        at,
        data,
      ]);
      const rows = Array.from({ length: batch }, (_, index) => {
        const places = columnNames.map((_name, column) => `$${index * columnNames.length + column + 1}`);
        return `(${places.join(", ")})`;
      });
      const text = `INSERT INTO events (${columnNames.join(", ")}) VALUES ${rows.join(", ")}`;
      return pool.query({ name: `insert-${batch}`, text, values });
    },
    close: () => pool.end(),
  };
}

async function bareRedis(url: string): Promise<Writer> {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  return {
    write: (publisher, batch) =>
      Promise.all(
        newEvents(batch).map(({ id, type, time: at, data }) =>
          client.xAdd(`bare:${publisher}`, "*", { id, type, time: at, data }),
        ),
      ),
    close: async () => client.destroy(),
  };
}

/** Undefined: memory has none. */
export async function bareWriter(store: StoreUnderTest): Promise<Writer | undefined> {
  if (store.name === "memory") return undefined;
  const url = await store.fresh();
  if (store.name === "postgres") return barePostgres(url);
  if (store.port > 0) return bareRedis(url);
  return bareSqlite(url.replace("sqlite:", ""), store.commit);
}
