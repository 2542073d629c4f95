import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { StoreSetting } from "../../src/config-values.ts";
import { CopyDiffers, type CopyProgress, copyLog } from "../../src/log/copy-log.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { openSource, openTarget } from "../../src/log/open-transfer.ts";
import { openPostgresLog } from "../../src/log/postgres/postgres.ts";
import { openRedisLog } from "../../src/log/redis/redis.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import type { LogTarget } from "../../src/log/transfer.ts";
import { alice, event, run1, tenant, write } from "../../src/testing/event-log/sample.ts";
import { fill, pictureOf, streams } from "../support/filled-log.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { RedisServer } from "../support/redis-server.ts";

let postgres: PostgresServer;
let redis: RedisServer;
let folder: string;
let source: StoreSetting;
let picture: unknown;
let redisStores = 0;

beforeAll(async () => {
  [postgres, redis] = await Promise.all([PostgresServer.start(), RedisServer.start({ appendfsync: "everysec" })]);
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-transfer-"));
  const path = join(folder, "log.db");
  source = { kind: "sqlite", file: path };
  const log = await openSqliteLog({ path });
  await fill(log);
  picture = await pictureOf(log);
  await log.close();
});
afterEach(() => rm(folder, { recursive: true }));

const targets = {
  PostgreSQL: {
    make: async (): Promise<StoreSetting> => ({ kind: "postgres", url: `${await postgres.database()}?partitions=2` }),
    open: (url: string): Promise<EventLog> => openPostgresLog({ url }),
  },
  Redis: {
    make: async (): Promise<StoreSetting> => ({ kind: "redis", url: `${redis.url}?name=moved-${++redisStores}` }),
    open: (url: string): Promise<EventLog> => openRedisLog({ url }),
  },
};

async function copy(from: StoreSetting, to: StoreSetting, bend: (target: LogTarget) => LogTarget = (target) => target) {
  const progress: CopyProgress[] = [];
  const opened = await openSource(from);
  try {
    const target = await openTarget(to);
    try {
      const copied = await copyLog(opened, bend(target), (one) => progress.push(one));
      return { copied, progress };
    } finally {
      await target.close();
    }
  } finally {
    await opened.close();
  }
}

const urlOf = (store: StoreSetting): string => ("url" in store ? store.url : "");

describe.each(Object.entries(targets))("a move from SQLite to %s", (_, { make, open }) => {
  it("brings everything, at the same offsets and under the same epoch, and what is written next goes on", async () => {
    const to = await make();
    const told = JSON.stringify(picture);
    for (const word of ["trying", "quarantined", '"kind":"retired"', '"approval":{"runId"', "word 89", "kept"])
      expect(told).toContain(word);
    const { copied, progress } = await copy(source, to);
    expect(copied).toMatchObject({ streams: streams.length, before: 0, documents: 2 });
    expect(progress.at(-1)).toMatchObject({ phase: "verifying", streams: streams.length, ofStreams: streams.length });
    const log = await open(urlOf(to));
    expect(await pictureOf(log)).toEqual(picture);
    const { head, epoch } = await log.position(alice);
    expect(await write(log, { stream: alice, events: [event("next")] })).toMatchObject({ epoch, offset: head + 1 });
    expect(
      await log.append({
        stream: alice,
        events: [event("late")],
        run: { tenantId: tenant, runId: run1, expectedSeq: 95 },
      }),
    ).toMatchObject({ kind: "run_ended" });
    await log.close();
    const again = await open(urlOf(to));
    expect(await again.position(alice)).toMatchObject({ epoch, head: head + 1 });
    await again.close();
  });

  it("goes on where it was stopped, in the middle of a stream, and doubles nothing", async () => {
    const to = await make();
    let left = 5;
    const stopped = copy(source, to, (target) => ({
      ...target,
      write: (book, pages) =>
        target.write(
          book,
          (async function* () {
            for await (const page of pages) {
              yield page;
              left -= 1;
              if (left < 0) throw new Error("the cable");
            }
          })(),
        ),
    }));
    await expect(stopped).rejects.toThrow("the cable");
    const { copied } = await copy(source, to);
    expect(copied.before).toBeGreaterThan(0);
    expect(copied.before).toBeLessThan(streams.length);
    const log = await open(urlOf(to));
    expect(await pictureOf(log)).toEqual(picture);
    await log.close();
  });

  it("refuses a target that holds something else", async () => {
    const used = await make();
    const log = await open(urlOf(used));
    await write(log, { stream: alice, events: [event("mine")] });
    await log.close();
    await expect(copy(source, used)).rejects.toMatchObject({
      setting: "to",
      message: expect.stringContaining("is not empty"),
    });
  });

  it("refuses a target that holds a finished copy", async () => {
    const to = await make();
    await copy(source, to);
    await expect(copy(source, to)).rejects.toMatchObject({ message: expect.stringContaining("finished copy") });
  });

  it("refuses a target that holds an unfinished copy of another store", async () => {
    const half = await make();
    await expect(
      copy(source, half, (target) => ({ ...target, finish: () => Promise.reject(new Error("stop")) })),
    ).rejects.toThrow("stop");
    const path = join(folder, "other.db");
    const other = await openSqliteLog({ path });
    await write(other, { stream: alice, events: [event("mine")] });
    await other.close();
    await expect(copy({ kind: "sqlite", file: path }, half)).rejects.toMatchObject({
      message: expect.stringContaining("of another store"),
    });
  });

  it("notices when the copy is not equal", async () => {
    const to = await make();
    const bent = copy(source, to, (target) => ({
      ...target,
      write: (book, pages) => target.write({ ...book, cursors: [] }, pages),
    }));
    await expect(bent).rejects.toBeInstanceOf(CopyDiffers);
  });
});

describe("a move", () => {
  it("goes from Redis to PostgreSQL and back into a file as well", async () => {
    const [one, two] = [await targets.Redis.make(), await targets.PostgreSQL.make()];
    const path = join(folder, "back.db");
    await copy(source, one);
    await copy(one, two);
    let left = 5;
    const cut = copy(two, { kind: "sqlite", file: path }, (target) => ({
      ...target,
      has: (stream) => (left-- > 0 ? target.has(stream) : Promise.reject(new Error("the cable"))),
    }));
    await expect(cut).rejects.toThrow("the cable");
    expect((await copy(two, { kind: "sqlite", file: path })).copied.before).toBe(5);
    for (const opening of ["first", "second"]) {
      const log = await openSqliteLog({ path });
      expect(await pictureOf(log), opening).toEqual(picture);
      await log.close();
    }
    await expect(copy(two, { kind: "sqlite", file: path })).rejects.toThrow("finished copy");
  });

  it("refuses a source that another process has open, that is not there, or that is no log", async () => {
    const path = "file" in source ? source.file : "";
    const log = await openSqliteLog({ path });
    await expect(openSource(source)).rejects.toMatchObject({
      setting: "from",
      message: expect.stringContaining("is open in another process"),
    });
    await log.close();
    await expect(openSource({ kind: "sqlite", file: `${path}-not` })).rejects.toMatchObject({
      message: expect.stringContaining("does not exist"),
    });
    const foreign = join(folder, "foreign.db");
    new DatabaseSync(foreign).exec("CREATE TABLE theirs (a)");
    await expect(openSource({ kind: "sqlite", file: foreign })).rejects.toMatchObject({
      message: expect.stringContaining("another program"),
    });
    await copyFile(path, join(folder, "copy.db"));
    await expect(openSource({ kind: "memory" })).rejects.toMatchObject({ setting: "from" });
  });
});
