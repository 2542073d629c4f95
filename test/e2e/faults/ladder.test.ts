import { describe, expect, it } from "vitest";
import type { Gap } from "../../../src/client/index.ts";
import { apiKeys, BuiltServer, userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { diskFault } from "../../support/disk/disk-fault.ts";
import { journalLines, metric } from "../../support/disk/journal-lines.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { call, readAll } from "../../support/http-reader.ts";
import { RedisServer } from "../../support/redis-server.ts";

const patience = { timeout: 30_000, interval: 50 };
/** So that a test does not wait half a minute for a breaker: five failures open it, for a second. */
const quickBreakers = "log:5/1000/2;spool:5/1000/2";

type Run = { readonly runId: string; readonly fence: unknown };
const delta = (key: string) => ({ type: "agent_delta", data: { messageId: "m", channel: "text", text: key }, key });

function publishOnce({ url }: BuiltServer, run: Run, key: string) {
  const body = { fence: run.fence, events: [delta(key)] };
  return call(url, `POST /v1/runs/${run.runId}/events`, { as: apiKeys.publish, body });
}

const texts = (events: readonly { readonly data: unknown }[]) =>
  events.map(({ data }) => Reflect.get(data as object, "text")).filter((text) => text !== undefined);
const waiting = ({ url }: BuiltServer) => metric(url, "runcast_spool_events");

describe("the ladder: the log fails and the spool does not", () => {
  it("accepts on, shows it to who is there and who comes, and has it once and in order after kill -9", async () => {
    await using server = await BuiltServer.start({ env: { RUNCAST_BREAKERS: quickBreakers } });
    const run = await new HttpPublisher(server.url).startRun({ userId: "ann", runId: "ann-1" });
    const tab = collect("ann", { url: server.url, from: "start", device: "tab" });
    const said = ["a", "b", "c", "d"];
    expect((await publishOnce(server, run, "a")).status).toBe(200);
    {
      await using _ = await diskFault(server.pid ?? 0, "fsync:error=EIO");
      for (const [index, key] of said.slice(1).entries())
        expect(await publishOnce(server, run, key)).toMatchObject({
          status: 200,
          body: { offset: index + 3, duplicates: 0 },
        });
      // The same key again is the same event, also there.
      expect((await publishOnce(server, run, "b")).body).toMatchObject({ offset: 3, duplicates: 1 });
      const made = await call(server.url, "POST /v1/runs", {
        as: apiKeys.publish,
        body: { userId: "ann", agent: "a" },
      });
      expect(made).toMatchObject({ status: 201, body: { offset: 6, seq: 1 } });
      await tab.has(6);
      const late = collect("ann", { url: server.url, from: "start", device: "late" });
      await late.has(6);
      expect(texts(late.seen)).toEqual(said);
      expect(texts(await readAll(server.url, "/v1/events", await userToken("ann")))).toEqual(said);
      expect(await waiting(server)).toBeGreaterThan(0);
      expect(journalLines(server, "spool.begun")).toHaveLength(1);
      late.client.close();
      await server.kill9();
    }
    await server.restart();
    expect((await publishOnce(server, run, "e")).body).toMatchObject({ offset: 7 });
    const log = await readAll(server.url, "/v1/events", await userToken("ann"));
    expect(log.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(texts(log)).toEqual([...said, "e"]);
    await tab.has(7);
    expect(tab.seen).toEqual(log);
    expect(await waiting(server)).toBe(0);
    tab.client.close();
  });

  it("brings what waits into the log when that heals, while more is said, and goes on through it", async () => {
    await using server = await BuiltServer.start({ env: { RUNCAST_BREAKERS: quickBreakers } });
    const run = await new HttpPublisher(server.url).startRun({ userId: "bea", runId: "bea-1" });
    const tab = collect("bea", { url: server.url, from: "start" });
    let count = 0;
    const say = async (): Promise<void> => expect((await publishOnce(server, run, `${(count += 1)}`)).status).toBe(200);
    // Twice: down, up, down, up (FAULTS 49).
    for (let round = 0; round < 2; round += 1) {
      {
        await using _ = await diskFault(server.pid ?? 0, "fsync:error=EIO");
        for (let step = 0; step < 20; step += 1) await say();
        expect(await waiting(server)).toBeGreaterThan(0);
      }
      await expect.poll(async () => (await say(), waiting(server)), patience).toBe(0);
      await say();
    }
    await tab.has(count + 1);
    const log = await readAll(server.url, "/v1/events", await userToken("bea"));
    expect(texts(log)).toEqual(Array.from({ length: count }, (_, index) => `${index + 1}`));
    expect(tab.seen).toEqual(log);
    expect(await metric(server.url, "runcast_spool_conflicts_total")).toBe(0);
    expect(journalLines(server, "spool.drained").length).toBeGreaterThan(0);
    tab.client.close();
  });

  it("does the same with Redis Streams, which a server that is killed leaves to the next one", async () => {
    await using redis = await RedisServer.start();
    await using server = await BuiltServer.start({
      env: { RUNCAST_SPOOL: redis.url, RUNCAST_BREAKERS: quickBreakers },
    });
    const run = await new HttpPublisher(server.url).startRun({ userId: "cat", runId: "cat-1" });
    {
      await using _ = await diskFault(server.pid ?? 0, "fsync:error=EIO");
      for (const key of ["a", "b"]) expect((await publishOnce(server, run, key)).status).toBe(200);
      // Restarted empty, as without an append-only file: it is given again what it has lost.
      await redis.kill();
      await redis.restart();
      await expect.poll(() => journalLines(server, "spool.lost").length, patience).toBeGreaterThan(0);
      await expect.poll(async () => (await publishOnce(server, run, "c")).body.durability, patience).toBeUndefined();
      await server.kill9();
    }
    await server.restart();
    const log = await readAll(server.url, "/v1/events", await userToken("cat"));
    expect(texts(log)).toEqual(["a", "b", "c"]);
  });
});

describe("the ladder: the log and the spool both fail", () => {
  it("goes on to live sockets, marked; refuses new runs; writes all of it when the spool answers again", async () => {
    await using redis = await RedisServer.start();
    await using server = await BuiltServer.start({
      env: { RUNCAST_SPOOL: redis.url, RUNCAST_BREAKERS: quickBreakers },
    });
    const run = await new HttpPublisher(server.url).startRun({ userId: "dan", runId: "dan-1" });
    const tab = collect("dan", { url: server.url, from: "start" });
    expect((await publishOnce(server, run, "a")).status).toBe(200);
    {
      await using _ = await diskFault(server.pid ?? 0, "fsync:error=EIO");
      redis.signal("SIGSTOP");
      expect(await publishOnce(server, run, "b")).toMatchObject({
        status: 200,
        body: { offset: 3, durability: "none" },
      });
      await tab.has(3);
      expect(tab.seen.at(-1)).toMatchObject({ offset: 3, durability: "none" });
      const refused = await call(server.url, "POST /v1/runs", {
        as: apiKeys.publish,
        body: { userId: "dan", agent: "a" },
      });
      expect(refused).toMatchObject({ status: 503, body: { error: { code: "log_unavailable" } } });
      expect(refused.headers.get("retry-after")).toBe("1");
      expect(await metric(server.url, "runcast_events_direct_total")).toBe(1);
      redis.signal("SIGCONT");
      await expect.poll(() => journalLines(server, "direct.ended").length, patience).toBeGreaterThan(0);
      expect((await publishOnce(server, run, "c")).body).toEqual({ seq: 4, offset: 4, duplicates: 0 });
    }
    await expect.poll(() => waiting(server), patience).toBe(0);
    const log = await readAll(server.url, "/v1/events", await userToken("dan"));
    expect(texts(log)).toEqual(["a", "b", "c"]);
    expect(log.every(({ durability }) => durability === undefined)).toBe(true);
    await tab.has(4);
    tab.client.close();
  });

  it("declares the hole when it is killed then: a gap that says why, a snapshot, and no event of the old history", async () => {
    await using redis = await RedisServer.start();
    await using server = await BuiltServer.start({
      env: { RUNCAST_SPOOL: redis.url, RUNCAST_BREAKERS: quickBreakers },
    });
    const run = await new HttpPublisher(server.url).startRun({ userId: "eve", runId: "eve-1" });
    const tab = collect("eve", { url: server.url, from: "start" });
    const gaps: Gap[] = [];
    tab.client.on("gap", (gap) => gaps.push(gap));
    {
      await using _ = await diskFault(server.pid ?? 0, "fsync:error=EIO");
      await redis.kill();
      // The log was asked for the first of them, and may have it: its answer was an error, not a no.
      expect((await publishOnce(server, run, "doubted")).body).toMatchObject({ offset: 2, durability: "none" });
      expect((await publishOnce(server, run, "lost")).body).toMatchObject({ offset: 3, durability: "none" });
      await tab.has(3);
      await server.kill9();
    }
    await redis.restart();
    await server.restart();
    const kept = (await publishOnce(server, run, "kept")).body;
    expect(kept.durability).toBeUndefined();
    await expect.poll(() => gaps.map(({ reason }) => reason), patience).toContain("durability_none");
    const log = texts(await readAll(server.url, "/v1/events", await userToken("eve")));
    expect(log.filter((text) => text !== "doubted")).toEqual(["kept"]);
    expect(journalLines(server, "direct.lost")).toHaveLength(1);
    tab.client.close();
  });
});
