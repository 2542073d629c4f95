/**
 * L15: adapters agree. The same commands over the whole port, in the same order, have the same answers from the log in
 * memory, SQLite, PostgreSQL, Redis and the log of the simulation; only epochs and opaque cursors are their own.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventLog } from "../src/log/event-log.ts";
import { memoryLog } from "../src/log/memory.ts";
import { openPostgresLog } from "../src/log/postgres/postgres.ts";
import { tableNames } from "../src/log/postgres/tables.ts";
import { openRedisLog } from "../src/log/redis/redis.ts";
import { openSqliteLog } from "../src/log/sqlite.ts";
import { PostgresServer } from "../test/support/postgres-server.ts";
import { RedisServer } from "../test/support/redis-server.ts";
import { Chance } from "./simulation/chance.ts";
import { SimDisk } from "./simulation/sim-disk.ts";
import { simLog } from "./simulation/sim-log.ts";
import { SimProcess } from "./simulation/sim-process.ts";
import { Trace } from "./simulation/trace.ts";
import { VirtualTime } from "./simulation/virtual-time.ts";
import { commands, compare } from "./support/log-commands.ts";
import { parameters } from "./support/parameters.ts";

const hold = (name: string, step: number, answer: unknown, right: unknown): void => {
  expect(answer, `${name}, command ${step}`).toEqual(right);
};

/** Each time an empty log; and the memory's, which it is held against. The answer: how often. */
async function agree(name: string, runs: number, open: (count: number) => Promise<EventLog>): Promise<number> {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(commands, async (drawn) => {
      count += 1;
      const log = await open(count);
      try {
        await compare(
          [
            { name: "memory", log: memoryLog() },
            { name, log },
          ],
          drawn,
          hold,
        );
      } finally {
        await log.close();
      }
    }),
    parameters(runs),
  );
  return count;
}

describe("L15 same answers", () => {
  it("come from SQLite", async () => {
    const folder = await mkdtemp(join(tmpdir(), "runcast-l15-"));
    const open = (count: number) => openSqliteLog({ path: join(folder, `${count}.db`), onBug: () => {} });
    expect(await agree("SQLite", 12, open)).toBeGreaterThan(0);
    await rm(folder, { recursive: true });
  });

  it("come from the log of the simulation", async () => {
    const chance = new Chance("l15");
    const time = new VirtualTime(chance.fork("ties"), new Trace());
    let isOver = false;
    const pumping = (async () => {
      while (!isOver) if (!(await time.step())) await new Promise((resolve) => setImmediate(resolve));
    })();
    const held = await agree("the simulated log", 100, async (count) => {
      const disk = new SimDisk(time, chance.fork(`disk ${count}`), { writeMs: 1, syncMs: 2 });
      const process = new SimProcess("p", time, chance);
      return simLog({ time, disk, process, chance, pace: { readMs: 1, foreignBellMs: 5 }, onBug: () => {} });
    });
    expect(held).toBeGreaterThan(0);
    isOver = true;
    await pumping;
  });
});

describe("L15 same answers, of a server", () => {
  let redis: RedisServer;
  let postgres: PostgresServer;
  let database: string;
  beforeAll(async () => {
    [redis, postgres] = await Promise.all([RedisServer.start({ appendfsync: "always" }), PostgresServer.start()]);
    database = await postgres.database();
    await (await openPostgresLog({ url: database })).close();
  }, 60_000);
  afterAll(async () => {
    await redis[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  it("come from Redis", async () => {
    const open = (count: number) => openRedisLog({ url: redis.url, name: `l15-${count}`, onBug: () => {} });
    expect(await agree("Redis", 30, open)).toBeGreaterThan(0);
  });

  it("come from PostgreSQL", async () => {
    const clear = tableNames.map((table) => `DELETE FROM runcast.${table}`).join("; ");
    const open = async () => {
      await postgres.sql(clear, new URL(database).pathname.slice(1));
      return openPostgresLog({ url: database, onBug: () => {} });
    };
    expect(await agree("PostgreSQL", 8, open)).toBeGreaterThan(0);
  });
});
