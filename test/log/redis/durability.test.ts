/** What a Redis server keeps, what it may have lost, and how the epoch says so (L6; FAULTS 45). */
import { describe, expect, it } from "vitest";
import type { EventLog } from "../../../src/log/event-log.ts";
import { checkRedis, planRedisMigrations } from "../../../src/log/redis/index.ts";
import {
  alice,
  event,
  ids,
  newRun,
  next,
  notice,
  run1,
  started,
  tenant,
  wide,
  write,
} from "../../../src/testing/event-log/sample.ts";
import { eventually } from "../../support/eventually.ts";
import { freshName, openLog } from "../../support/redis-log.ts";
import { RedisServer } from "../../support/redis-server.ts";

/** Fails until it is answered: a server that has just begun anew. */
const again = <Value>(ask: () => Promise<Value>): Promise<Value> => eventually(ask);

describe("a Redis server", () => {
  it("is refused without an append-only file, and taken when the address says so", async () => {
    await using redis = await RedisServer.start();
    const name = freshName();
    await expect(openLog(redis.url, name)).rejects.toMatchObject({ _tag: "InvalidConfig", setting: "store" });
    const log = await openLog(`${redis.url}?durability=none`, name);
    await write(log, notice(alice, "a"));
    // What it forgets is another history.
    const { epoch } = await log.position(alice);
    await redis.kill();
    await redis.restart();
    expect(await again(() => log.position(alice))).toMatchObject({ first: 1, head: 0 });
    expect((await log.position(alice)).epoch).not.toBe(epoch);
  });

  it("keeps the epoch over a restart when every append is on its disk first", async () => {
    await using redis = await RedisServer.start({ appendfsync: "always" });
    const name = freshName();
    const log = await openLog(redis.url, name);
    const { epoch } = await write(log, started(newRun()));
    await redis.kill();
    await redis.restart();
    expect(await again(() => log.append(next(1, [event("on")], { fence: 1 })))).toMatchObject({ epoch, offset: 2 });
    const other = await openLog(redis.url, name);
    expect(await other.position(alice)).toEqual({ epoch, first: 1, head: 2 });
  });

  it("gives a new epoch, and fences beyond all that were given, when a restart may have lost the newest", async () => {
    await using redis = await RedisServer.start({ appendfsync: "everysec" });
    const name = freshName();
    const log = await openLog(redis.url, name);
    const { epoch } = await write(log, started(newRun()));
    const former = (await log.claim(tenant, run1))?.fence ?? 0;
    await redis.kill();
    await redis.restart();
    const position = await again(() => log.position(alice));
    expect(position.epoch).not.toBe(epoch);
    expect(await log.append(next(1, [event("old")], { fence: former }))).toMatchObject({ kind: "fenced" });
    const claimed = await log.claim(tenant, run1);
    expect(claimed?.fence).toBeGreaterThan(2 ** 32);
    expect(await log.append(next(1, [event("new")], { fence: claimed?.fence }))).toMatchObject({ kind: "appended" });
    // Both processes and a later one agree on it.
    expect((await (await openLog(redis.url, name)).position(alice)).epoch).toBe(position.epoch);
  });

  it("gives a new epoch when it lacks what this process knows to be acknowledged, whatever it says of itself", async () => {
    await using redis = await RedisServer.start({ appendfsync: "always" });
    const name = freshName();
    const log = await openLog(redis.url, name);
    const { epoch } = await write(log, notice(alice, "a", "b", "c"));
    // As if an older copy of its data had been put in its place.
    await redis.ask("HSET", `${name}:{4%3Aacme%3Aalice}:meta`, "head", "1");
    await redis.ask("XDEL", `${name}:{4%3Aacme%3Aalice}:x`, "2-0", "3-0");
    await redis.ask("XSETID", `${name}:{4%3Aacme%3Aalice}:x`, "1-0");
    expect(await again(() => log.append(notice(alice, "d")))).toMatchObject({ kind: "appended", offset: 2 });
    expect((await log.position(alice)).epoch).not.toBe(epoch);
  });

  it("is refused as a store of a newer release", async () => {
    await using redis = await RedisServer.start({ appendfsync: "always" });
    const name = freshName();
    const url = `${redis.url}?name=${name}`;
    expect(await planRedisMigrations(url)).toMatchObject({ from: 0, to: 1, steps: [{ version: 1 }] });
    await openLog(redis.url, name);
    expect(await planRedisMigrations(url)).toEqual({ from: 1, to: 1, steps: [] });
    await redis.ask("HSET", `${name}:{store}:meta`, "schema", "99");
    await expect(openLog(redis.url, name)).rejects.toMatchObject({ _tag: "InvalidConfig" });
    await expect(planRedisMigrations(url)).rejects.toThrow("its schema is 99");
  });

  it("says what it keeps before events are entrusted to it", async () => {
    await using redis = await RedisServer.start({
      appendfsync: "everysec",
      more: ["--maxmemory-policy", "allkeys-lru"],
    });
    const levels = async (query = ""): Promise<Record<string, string>> =>
      Object.fromEntries((await checkRedis(`${redis.url}${query}`)).map(({ about, level }) => [about, level]));
    const fine = { version: "ok", role: "ok", aof: "ok", clock: "ok" };
    expect(await levels()).toEqual({ ...fine, fsync: "warning", memory: "warning", replicas: "ok" });
    await redis.ask("CONFIG", "SET", "maxmemory", "100mb", "appendfsync", "always");
    expect(await levels("?wait=1")).toEqual({ ...fine, fsync: "ok", memory: "error", replicas: "error" });
    await using replica = await RedisServer.start({ appendfsync: "always", replicaOf: redis });
    await redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "min-replicas-to-write", "1");
    expect(await levels("?wait=1")).toEqual({ ...fine, fsync: "ok", memory: "ok", replicas: "ok" });
    expect(await levels()).toMatchObject({ replicas: "warning" });
    expect(await checkRedis(replica.url)).toContainEqual(expect.objectContaining({ about: "role", level: "error" }));
    await redis.kill();
    const silent = await checkRedis(redis.url.replace("//", "//user:canary@"));
    expect(silent).toMatchObject([{ about: "connection", level: "error" }]);
    expect(JSON.stringify(silent)).not.toContain("canary");
  });
});

describe("a Redis server that fails over", () => {
  /** A master and its replica, both with a file; a log on an address that is moved from one to the other. */
  async function pair() {
    const master = await RedisServer.start({ appendfsync: "always" });
    const replica = await RedisServer.start({ appendfsync: "always", replicaOf: master });
    return {
      master,
      replica,
      [Symbol.asyncDispose]: async () => {
        await replica[Symbol.asyncDispose]();
        await master[Symbol.asyncDispose]();
      },
    };
  }

  const reached = (replica: RedisServer, name: string): Promise<void> =>
    eventually(async () => {
      if ((await replica.ask("EXISTS", `${name}:{4%3Aacme%3Aalice}:x`)) !== 1) throw new Error("not yet");
    });

  it("may lose what was acknowledged without WAIT, and never in silence: every reader is told by a new epoch", async () => {
    await using servers = await pair();
    const { master, replica } = servers;
    const name = freshName();
    const before = await openLog(master.url, name);
    const { epoch } = await write(before, started(newRun()));
    await reached(replica, name);
    // The line between the two is cut; the master goes on and acknowledges.
    await replica.ask("REPLICAOF", "127.0.0.1", "1");
    for (let seq = 1; seq <= 50; seq += 1) await write(before, next(seq, [event(`lost ${seq}`)], { fence: 1 }));
    await master.kill();
    await replica.promote();
    const after = await openLog(replica.url, name);
    const position = await after.position(alice);
    const lost = 51 - position.head;
    expect(lost).toBe(50);
    // Offsets that meant something else before bear another epoch now: silent loss is 0.
    expect(position.epoch).not.toBe(epoch);
    expect(await after.append(next(1, [event("old runner")], { fence: 1 }))).toMatchObject({ kind: "fenced" });
    expect((await after.claim(tenant, run1))?.seq).toBe(1);
  });

  it("loses nothing that was acknowledged with WAIT; what the replica did not get was never acknowledged", async () => {
    await using servers = await pair();
    const { master, replica } = servers;
    const name = freshName();
    const before = await openLog(`${master.url}?wait=1&wait_ms=9000&call_ms=9000`, name);
    const hasty = await openLog(`${master.url}?wait=1&wait_ms=50`, name);
    const acknowledged: string[] = [];
    const say = async (log: EventLog, at: number): Promise<void> => {
      await write(log, notice(alice, `event ${at}`));
      acknowledged.push(`id-event ${at}`);
    };
    for (let at = 0; at < 20; at += 1) await say(before, at);
    await replica.ask("REPLICAOF", "127.0.0.1", "1");
    for (let at = 20; at < 23; at += 1) await expect(say(hasty, at)).rejects.toMatchObject({ _tag: "LogUnavailable" });
    await master.kill();
    await replica.promote();
    const after = await openLog(replica.url, name);
    expect(await ids(after, alice)).toEqual(acknowledged);
    expect(acknowledged.length).toBe(20);
  });

  it("writes nothing once its replicas are away, with min-replicas-to-write", async () => {
    await using servers = await pair();
    const { master, replica } = servers;
    const log = await openLog(master.url, freshName());
    await write(log, notice(alice, "a"));
    await master.ask("CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "1");
    await replica.kill();
    await eventually(async () => {
      await expect(log.append(notice(alice, "never"))).rejects.toMatchObject({ _tag: "LogUnavailable" });
    });
    await master.ask("CONFIG", "SET", "min-replicas-to-write", "0");
    expect((await ids(log, alice)).at(-1)).not.toBe("id-never 2");
    const { head, events } = await log.read(alice, 0, wide);
    expect(events.length).toBe(head);
  });

  it("is left by who writes to it once it is a replica, and found again as a master under a new epoch", async () => {
    await using servers = await pair();
    const { master, replica } = servers;
    const name = freshName();
    const log = await openLog(master.url, name);
    const { epoch } = await write(log, notice(alice, "a"));
    await reached(replica, name);
    await replica.promote();
    await master.ask("REPLICAOF", "127.0.0.1", String(replica.port));
    await expect(log.append(notice(alice, "b"))).rejects.toMatchObject({ _tag: "LogUnavailable" });
    await expect(log.append(notice(alice, "b"))).rejects.toThrow("is a replica");
    await master.promote();
    const answer = await again(() => log.append(notice(alice, "c")));
    expect(answer).toMatchObject({ kind: "appended", offset: 2 });
    expect((await log.position(alice)).epoch).not.toBe(epoch);
  });

  it("is noticed on a connection that nobody used meanwhile: a master that was a replica for a moment", async () => {
    await using servers = await pair();
    const { master, replica } = servers;
    const name = freshName();
    const log = await openLog(master.url, name, { pollMs: 50 });
    const { epoch } = await write(log, notice(alice, "a"));
    await reached(replica, name);
    await master.ask("REPLICAOF", "127.0.0.1", String(replica.port));
    await master.promote();
    await eventually(async () => expect((await log.position(alice)).epoch).not.toBe(epoch));
  });
});
