/** The Redis log on a cluster of three masters: the same answers, wherever a key is and while slots move (L15). */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asUserId, streamKey } from "../../../protocol/ids.ts";
import type { StoreSetting } from "../../../src/config-values.ts";
import { copyLog } from "../../../src/log/copy-log.ts";
import { openSource, openTarget } from "../../../src/log/open-transfer.ts";
import { checkRedis, planRedisMigrations } from "../../../src/log/redis/index.ts";
import { keysOf } from "../../../src/log/redis/keys.ts";
import { openRedisLog } from "../../../src/log/redis/redis.ts";
import { slotOf } from "../../../src/log/redis/slot.ts";
import { openSqliteLog } from "../../../src/log/sqlite.ts";
import { eventLogContract } from "../../../src/testing/event-log-contract.ts";
import {
  alice,
  event,
  ids,
  newRun,
  next,
  notice,
  started,
  tenant,
  wide,
  write,
} from "../../../src/testing/event-log/sample.ts";
import { eventually } from "../../support/eventually.ts";
import { fill, pictureOf } from "../../support/filled-log.ts";
import { RedisCluster } from "../../support/redis-cluster.ts";
import { freshName, openLog } from "../../support/redis-log.ts";

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await RedisCluster.start();
}, 60_000);
afterAll(() => cluster[Symbol.asyncDispose]());

async function make() {
  const name = freshName();
  const open = () => openRedisLog({ url: cluster.url, name, onBug: () => {}, callMs: 8_000 });
  let newest = await open();
  return {
    log: newest,
    reopen: async () => {
      await newest.close();
      newest = await open();
      return newest;
    },
    dispose: () => newest.close(),
  };
}

/** The scripts are those of one server: here, what finds its way over several slots and masters. */
const parts = ["append", "runs", "cursors, ledger, bells and end", "outbox"];
const kit = { describe, it, expect };
const ofParts = (name: string, body: () => void): void => {
  if (name.endsWith("as an event log") || parts.includes(name)) kit.describe(name, body);
};

eventLogContract("the Redis log on a cluster", make, { ...kit, describe: ofParts });

/** Of three masters, each with a third of the slots in order. */
const masterOf = (slot: number) => cluster.masters[Math.floor((slot * 3) / 16_384)];

describe("a Redis log on a cluster", () => {
  it("finds a slot as the servers do", async () => {
    for (const key of ["foo", "a:{user1000}:x", "{}x", "{a}{b}", "x{é😀}y", "{", "}{", "x{}y{z}"])
      expect(slotOf(key)).toBe(await cluster.masters[0]?.ask("CLUSTER", "KEYSLOT", key));
  });

  it("rings bells of streams on every master to another process", async () => {
    const name = freshName();
    const [one, other] = [await openLog(cluster.url, name), await openLog(cluster.masters[2]?.url ?? "", name)];
    const streams = Array.from({ length: 12 }, (_, at) => streamKey(tenant, asUserId(`user ${at}`)));
    const heard = new Map<string, number>();
    other.watch(({ stream, head }) => void heard.set(stream, head));
    for (const stream of streams) await other.follow?.(stream);
    for (const stream of streams) await write(one, notice(stream, "a", "b"));
    await eventually(() => expect([...heard.values()]).toEqual(streams.map(() => 2)));
    const masters = new Set(streams.map((stream) => masterOf(slotOf(keysOf(name).meta(stream)))));
    expect(masters.size).toBe(3);
  });

  it("follows a slot that moves, with nothing of the stream lost, and tells its readers by a new epoch", async () => {
    await using own = await RedisCluster.start(2);
    const [from, to] = own.masters;
    if (from === undefined || to === undefined) throw new Error("a cluster has masters");
    const name = freshName();
    const log = await openLog(own.url, name);
    const { epoch } = await write(log, started(newRun(), [event("a"), event("b")]));
    const slot = slotOf(keysOf(name).meta(alice));
    const [source, target] = slot < 8_192 ? [from, to] : [to, from];
    await own.move(slot, source, target);
    const claimed = await log.claim(tenant, newRun().runId);
    expect(await log.append(next(2, [event("c")], { fence: claimed?.fence }))).toMatchObject({ kind: "appended" });
    expect(await ids(log, alice)).toEqual(["id-a", "id-b", "id-c"]);
    expect((await log.position(alice)).epoch).not.toBe(epoch);
  });

  it("writes nothing into a slot that is half moved", async () => {
    await using own = await RedisCluster.start(2);
    const name = freshName();
    const log = await openLog(own.url, name);
    await write(log, notice(alice, "a", "b"));
    const slot = slotOf(keysOf(name).meta(alice));
    const [source, target] = slot < 8_192 ? own.masters : own.masters.toReversed();
    if (source === undefined || target === undefined) throw new Error("a cluster has masters");
    const id = async (one: typeof source) => String(await one.ask("CLUSTER", "MYID"));
    await target.ask("CLUSTER", "SETSLOT", String(slot), "IMPORTING", await id(source));
    await source.ask("CLUSTER", "SETSLOT", String(slot), "MIGRATING", await id(target));
    // Of the stream's keys, the events are there already.
    await source.ask("MIGRATE", "127.0.0.1", String(target.port), `${name}:{4%3Aacme%3Aalice}:x`, "0", "5000");
    await expect(log.append(notice(alice, "c"))).rejects.toMatchObject({ _tag: "LogUnavailable" });
    await own.move(slot, source, target);
    expect(await log.append(notice(alice, "d"))).toMatchObject({ kind: "appended", offset: 3 });
    const { events, head } = await log.read(alice, 0, wide);
    expect([head, events.map((one) => one.id)]).toEqual([3, ["id-a", "id-b", "id-d"]]);
  });

  it("says of each master what it keeps, and what opening would do", async () => {
    const found = await checkRedis(cluster.url);
    expect(found.filter(({ about }) => about === "fsync").map(({ level }) => level)).toEqual(["ok", "ok", "ok"]);
    expect(await planRedisMigrations(`${cluster.url}?name=${freshName()}`)).toMatchObject({ from: 0, to: 1 });
  });
});

async function move(from: StoreSetting, to: StoreSetting): Promise<void> {
  const source = await openSource(from);
  const target = await openTarget(to);
  try {
    await copyLog(source, target);
  } finally {
    await Promise.all([source.close(), target.close()]);
  }
}

describe("a move", () => {
  it("to a cluster and from it brings everything, at the same offsets and under the same epoch", async () => {
    const folder = await mkdtemp(join(tmpdir(), "runcast-cluster-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const [before, back] = [join(folder, "before.db"), join(folder, "back.db")];
    const file = await openSqliteLog({ path: before });
    await fill(file);
    const picture = await pictureOf(file);
    await file.close();
    const name = freshName();
    const there: StoreSetting = { kind: "redis", url: `${cluster.url}?name=${name}` };
    const unmoved = await openSource(there);
    expect(unmoved.otherEpochs?.length).toBe(2);
    await unmoved.close();
    await move({ kind: "sqlite", file: before }, there);
    const moved = await openSource(there);
    expect(moved.otherEpochs).toEqual([]);
    await moved.close();
    expect(await pictureOf(await openLog(cluster.masters[1]?.url ?? "", name))).toEqual(picture);
    await move(there, { kind: "sqlite", file: back });
    const again = await openSqliteLog({ path: back });
    onTestFinished(() => again.close());
    expect(await pictureOf(again)).toEqual(picture);
  });
});
