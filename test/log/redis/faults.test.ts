/** A Redis server that is killed, stands still or is full: three outcomes, and nothing lost (L6). */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asRunId } from "../../../protocol/ids.ts";
import type { EventLog } from "../../../src/log/event-log.ts";
import {
  alice,
  bob,
  event,
  ids,
  keyed,
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

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start({ appendfsync: "always" });
});
afterAll(() => redis[Symbol.asyncDispose]());

/** Appends keyed events of a run until each is settled: what is unknown is asked again by its key. */
async function publisher(log: EventLog, runId: ReturnType<typeof asRunId>, total: number): Promise<number> {
  let unknown = 0;
  const settle = async (ask: () => Promise<{ readonly kind: string }>): Promise<void> => {
    for (;;) {
      const answer = await ask().catch((error: unknown) => error as Error);
      if ("kind" in answer) {
        expect(["appended", "key_known", "run_exists"]).toContain(answer.kind);
        return;
      }
      expect(answer).toMatchObject({ _tag: "LogUnavailable" });
      unknown += 1;
    }
  };
  await settle(() => log.append(started(newRun(runId))));
  for (let seq = 1; seq < total; seq += 1)
    await settle(() => log.append(next(seq, [keyed(`${runId} ${seq}`)], { runId, fence: 1 })));
  return unknown;
}

describe("a Redis log", () => {
  it("loses nothing and doubles nothing while its server is killed again and again under appends", async () => {
    await using own = await RedisServer.start({ appendfsync: "always" });
    const log = await openLog(own.url, freshName(), { callMs: 500 });
    const runs = Array.from({ length: 8 }, (_, at) => asRunId(`r${at}`));
    const total = 40;
    let isDone = false;
    const publishing = Promise.all(runs.map((runId) => publisher(log, runId, total))).finally(() => {
      isDone = true;
    });
    const { epoch } = await eventually(() => log.position(alice));
    for (let kills = 0; kills < 4 && !isDone; kills += 1) {
      const { head } = await eventually(() => log.position(alice));
      await eventually(async () => {
        if (!isDone && (await log.position(alice)).head < head + 10) throw new Error("not yet");
      });
      await own.kill();
      await own.restart();
    }
    await publishing;
    const slice = await log.read(alice, 0, wide);
    expect(slice).toMatchObject({ epoch, head: runs.length * total });
    for (const runId of runs) {
      const own = slice.events.filter((one) => one.runId === runId);
      expect(own.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, at) => at + 1));
    }
    expect(await log.ledger()).toMatchObject({ accepted: runs.length * total, stored: runs.length * total });
  });

  it("answers in its time while the server stands still, and what lay in the socket is settled by its key", async () => {
    await using own = await RedisServer.start({ appendfsync: "always" });
    const log = await openLog(own.url, freshName(), { callMs: 200 });
    await write(log, started(newRun()));
    own.pause();
    const startMs = performance.now();
    const late = [log.append(next(1, [keyed("k")], { fence: 1 })), log.read(alice, 0, wide), log.claim(tenant, run1)];
    for (const one of await Promise.allSettled(late))
      expect(one).toMatchObject({ status: "rejected", reason: { _tag: "LogUnavailable" } });
    await expect(log.append(notice(bob, "a"))).rejects.toMatchObject({ _tag: "LogUnavailable" });
    expect(performance.now() - startMs).toBeLessThan(12_000);
    own.resume();
    const settled = await eventually(() => log.append(next(1, [keyed("k")], { fence: 1 })));
    expect(["appended", "key_known", "fenced"]).toContain(settled.kind);
    expect((await ids(log, alice)).filter((id) => id === "id-k").length).toBeLessThan(2);
    const { head, events } = await log.read(alice, 0, wide);
    expect(events.length).toBe(head);
  });

  it("refuses at once what would wait in memory beyond its bound", async () => {
    await using own = await RedisServer.start({ appendfsync: "always" });
    const log = await openLog(own.url, freshName(), { callMs: 300, maxWaitingBytes: 10_000 });
    await write(log, notice(alice, "a"));
    own.pause();
    const data = JSON.stringify("x".repeat(4_000));
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) => log.append({ stream: alice, events: [event(`${at}`, { data })] })),
    );
    const why = all.map((one) => (one.status === "rejected" ? String((one.reason as Error).message) : one.value.kind));
    expect(why.filter((one) => one.includes("more than 10000 bytes wait")).length).toBeGreaterThan(15);
    own.resume();
    await eventually(() => write(log, notice(alice, "b")));
    const { head, events } = await log.read(alice, 0, wide);
    expect(events.length).toBe(head);
  });

  it("says that it is full, with nothing written, and goes on when there is room", async () => {
    await using own = await RedisServer.start({ appendfsync: "always" });
    const log = await openLog(own.url, freshName());
    await write(log, started(newRun()));
    await own.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1mb");
    await expect(log.append(next(1, [keyed("k")]))).rejects.toMatchObject({ _tag: "LogFull" });
    await expect(log.append(started(newRun(asRunId("run-2"))))).rejects.toMatchObject({ _tag: "LogFull" });
    await expect(log.append(notice(bob, "a"))).rejects.toMatchObject({ _tag: "LogFull" });
    await expect(log.probe?.()).rejects.toMatchObject({ _tag: "LogFull" });
    expect(await log.read(alice, 0, wide)).toMatchObject({ head: 1, events: [{ id: "id-run-1 started" }] });
    await own.ask("CONFIG", "SET", "maxmemory", "0");
    await log.probe?.();
    expect(await log.append(next(1, [keyed("k")]))).toMatchObject({ kind: "appended", offset: 2, seq: 2 });
    expect(await log.append(started(newRun(asRunId("run-2"))))).toMatchObject({ kind: "appended" });
    expect((await log.runs({ limit: 9 })).runs.length).toBe(2);
  });

  it("works on when the server has forgotten all scripts", async () => {
    const log = await openLog(redis.url, freshName());
    await write(log, started(newRun()));
    await redis.ask("SCRIPT", "FLUSH");
    const answers = await Promise.all(["a", "b", "c"].map((one) => write(log, notice(alice, one))));
    expect(answers.map(({ offset }) => offset)).toEqual([2, 3, 4]);
    expect(await ids(log, alice)).toEqual(["id-run-1 started", "id-a", "id-b", "id-c"]);
  });

  it("ignores what an index says of a run that never came, and lets it be made by another", async () => {
    const name = freshName();
    const log = await openLog(redis.url, name);
    // As a process leaves it that dies between the announcement and the append.
    await redis.ask("HSET", `${name}:{run:run-1%2Facme}:at`, "stream", alice, "nonce", "of-the-dead");
    await redis.ask("ZADD", `${name}:{runs}:all`, "1", `1\n1\nrun-1/acme\n${alice}`);
    await redis.ask("ZADD", `${name}:{runs}:living`, "1", `1\n1\nrun-1/acme\n${alice}`);
    await redis.ask("HSET", `${name}:{runs}:meta`, "last", "1");
    expect(await log.run(tenant, run1)).toBeUndefined();
    expect((await log.runs({ limit: 9 })).runs).toEqual([]);
    expect(await log.append(started(newRun(run1, bob)))).toMatchObject({ kind: "appended", offset: 1 });
    expect((await log.run(tenant, run1))?.stream).toBe(bob);
    expect((await log.runs({ limit: 9, living: true })).runs.map(({ stream }) => stream)).toEqual([bob]);
    expect(await log.append(started(newRun(run1, alice)))).toMatchObject({ kind: "run_exists" });
    // What is older than a day is tidied away.
    await eventually(async () => expect(await redis.ask("ZCARD", `${name}:{runs}:all`)).toBe(1));
  });
});
