/** Several processes on one Redis server: what one writes wakes the other, and of two who try one wins. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asRunId, asUserId, streamKey } from "../../../protocol/ids.ts";
import type { Bell } from "../../../src/log/event-log.ts";
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

/** No poll comes within a test: what is heard, a bell told. Units: ms. */
const never = 600_000;

/** Of a log's bells, those without events: of other processes. */
function heard(log: { watch(listener: (bell: Bell) => void): () => void }): Bell[] {
  const bells: Bell[] = [];
  log.watch((bell) => {
    if (bell.events === undefined) bells.push(bell);
  });
  return bells;
}

describe("two Redis logs of one store", () => {
  it("see each other's streams, runs, keys and claims at once", async () => {
    const name = freshName();
    const [one, other] = [await openLog(redis.url, name), await openLog(redis.url, name)];
    const { epoch } = await write(one, started(newRun(), [keyed("k")]));
    expect(await other.append(next(1, [keyed("k")]))).toMatchObject({ kind: "key_known", key: "k" });
    expect(await other.claim(tenant, run1)).toEqual({ fence: 2, seq: 1 });
    expect(await one.append(next(1, [event("old")], { fence: 1 }))).toEqual({ kind: "fenced", fence: 2 });
    expect(await write(other, next(1, [event("b")], { fence: 2 }))).toMatchObject({ epoch, offset: 2, seq: 2 });
    expect(await ids(one, alice)).toEqual(["id-k", "id-b"]);
  });

  it("let one of several processes win each seq of a run, so that the stream is dense and each event there once", async () => {
    const name = freshName();
    const one = await openLog(redis.url, name);
    const logs = [one, await openLog(redis.url, name), await openLog(redis.url, name)];
    await write(one, started(newRun()));
    const total = 60;
    await Promise.all(
      logs.map(async (log, who) => {
        for (let seq = 1; seq < total; ) {
          const answer = await log.append(next(seq, [event(`${who} at ${seq}`)]));
          if (answer.kind !== "appended" && answer.kind !== "seq_conflict") throw new Error(answer.kind);
          seq = answer.seq;
        }
      }),
    );
    const { events, head } = await one.read(alice, 0, wide);
    expect(events.map(({ offset, seq }) => [offset, seq])).toEqual(
      Array.from({ length: head }, (_, at) => [at + 1, at + 1]),
    );
    expect(new Set(events.map(({ id }) => id)).size).toBe(head);
  });

  it("make a run once, whoever tries, in whichever stream", async () => {
    const name = freshName();
    const [one, other] = [await openLog(redis.url, name), await openLog(redis.url, name)];
    const logs = [one, other];
    for (let round = 0; round < 25; round += 1) {
      const runId = asRunId(`r${round}`);
      const answers = await Promise.all(
        logs.flatMap((log) => [alice, bob].map((stream) => log.append(started(newRun(runId, stream))))),
      );
      expect(answers.filter(({ kind }) => kind === "appended").length).toBe(1);
      expect(answers.filter(({ kind }) => kind === "run_exists").length).toBe(3);
      const record = await other.run(tenant, runId);
      expect((await one.readRun(tenant, runId, 0, wide)).length).toBe(1);
      expect(answers.flatMap((answer) => (answer.kind === "run_exists" ? [answer.run.stream] : []))).toEqual(
        Array.from({ length: 3 }, () => record?.stream),
      );
    }
    expect((await one.runs({ limit: 99 })).runs.length).toBe(25);
  });

  it("ring bells across, for followed streams only, and not for their own appends", async () => {
    const name = freshName();
    const [one, other] = [await openLog(redis.url, name), await openLog(redis.url, name)];
    const bells = heard(other);
    const unfollow = await other.follow?.(alice);
    const { epoch } = await write(one, notice(alice, "a", "b"));
    await write(one, notice(bob, "c"));
    await write(other, notice(alice, "own"));
    await write(one, notice(alice, "d"));
    await eventually(() => expect(bells.map(({ head }) => head)).toEqual([2, 4]));
    expect(bells[0]).toEqual({ stream: alice, epoch, head: 2 });
    unfollow?.();
    await write(one, notice(alice, "e"));
    await other.follow?.(bob);
    await write(one, notice(bob, "f"));
    await eventually(() => expect(bells.at(-1)).toMatchObject({ stream: bob, head: 2 }));
    expect(bells.length).toBe(3);
  });

  it("hear on when a stream is left and followed again at once, as a reader does who comes back", async () => {
    const name = freshName();
    const [one, other] = [await openLog(redis.url, name), await openLog(redis.url, name, { pollMs: never })];
    const bells = heard(other);
    let unfollow = await other.follow?.(alice);
    for (let round = 1; round <= 3; round += 1) {
      unfollow?.();
      unfollow = await other.follow?.(alice);
      await write(one, notice(alice, `${round}`));
      await eventually(() => expect(bells.at(-1)?.head).toBe(round));
    }
  });

  it("ring a bell once, however often its stream was followed", async () => {
    const name = freshName();
    const [one, other] = [await openLog(redis.url, name), await openLog(redis.url, name, { pollMs: never })];
    const bells = heard(other);
    for (let round = 0; round < 5; round += 1) await other.follow?.(alice);
    await write(one, notice(alice, "a"));
    await write(one, notice(alice, "b"));
    await eventually(() => expect(bells.at(-1)?.head).toBe(2));
    expect(bells.map(({ head }) => head)).toEqual([1, 2]);
  });

  it("miss nothing when the line that hears bells is cut again and again", async () => {
    const name = freshName();
    const [one, other] = [await openLog(redis.url, name), await openLog(redis.url, name)];
    const streams = Array.from({ length: 20 }, (_, at) => streamKey(tenant, asUserId(`u${at}`)));
    const bells = heard(other);
    for (const stream of streams) await other.follow?.(stream);
    for (let cut = 0; cut < 3; cut += 1) {
      await Promise.all(streams.map((stream) => write(one, notice(stream, `before ${cut}`))));
      await redis.ask("CLIENT", "KILL", "TYPE", "pubsub");
      await Promise.all(streams.map((stream) => write(one, notice(stream, `after ${cut}`))));
      await eventually(() => {
        for (const stream of streams)
          expect(bells.findLast((bell) => bell.stream === stream)?.head).toBe(2 * (cut + 1));
      });
    }
  });

  it("find within their poll what no bell told of", async () => {
    const name = freshName();
    const [one, other] = [await openLog(redis.url, name), await openLog(redis.url, name, { pollMs: 50 })];
    await write(one, notice(alice, "a"));
    // What the first look finds is told once, as soon as it is followed.
    const bells = heard(other);
    await other.follow?.(alice);
    await eventually(() => expect(bells.at(-1)?.head).toBe(1));
    // From now on the server lets nobody publish.
    await redis.ask("ACL", "SETUSER", "default", "resetchannels");
    try {
      await write(one, notice(alice, "b"));
      await eventually(() => expect(bells.at(-1)?.head).toBe(2));
    } finally {
      await redis.ask("ACL", "SETUSER", "default", "allchannels");
    }
  });
});
