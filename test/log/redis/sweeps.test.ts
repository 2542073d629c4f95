/** Retention of one Redis store by several nodes at once, some of which die in the middle of it (L4, L10, L15). */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asDeviceId, asRunId, asUserId, type StreamKey, streamKey } from "../../../protocol/ids.ts";
import type { EventLog, NewEvent } from "../../../src/log/event-log.ts";
import type { RetiredRange } from "../../../src/log/housekeeping.ts";
import { memoryLog } from "../../../src/log/memory.ts";
import { openRedisLog } from "../../../src/log/redis/redis.ts";
import { event, newRun, tenant, wide, write } from "../../../src/testing/event-log/sample.ts";
import { freshName } from "../../support/redis-log.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { seededRandom } from "../../support/seeded-random.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start({ appendfsync: "always" });
});
afterAll(() => redis[Symbol.asyncDispose]());

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const deaths = Number(process.env["DEATHS"] ?? 6);
const streams = Array.from({ length: 24 }, (_, at) => streamKey(tenant, asUserId(`user ${at}`)));
const day = (date: number): string => `2026-11-${String(date).padStart(2, "0")}T10:00:00.000Z`;
const before = day(20);
const sweep = { before, now: day(30), maxEvents: 6 };

/** Old and young events, notices and runs; of some streams a run that lives, and nobody has read it. */
async function fill(log: EventLog): Promise<void> {
  for (const [at, stream] of streams.entries()) {
    const of = (date: number, count: number): NewEvent[] =>
      Array.from({ length: count }, (_, index) => event(`${at} ${date} ${index}`, { time: day(date) }));
    const run = async (name: string, date: number, ended?: "completed"): Promise<void> => {
      const create = newRun(asRunId(`${name}-${at}`), stream, { startedAt: day(date) });
      await write(log, {
        ...{ stream, events: of(date, 3), escalate: [2] },
        run: { tenantId: tenant, runId: create.runId, expectedSeq: 0, create, approvals: [`ask-${name}-${at}`], ended },
      });
    };
    await write(log, { stream, events: of(2, 1 + (at % 9)) });
    await run("old", 3, "completed");
    await write(log, { stream, events: of(4, at % 4).concat(of(5, 1)) });
    if (at % 3 === 0) await run("living", 6);
    await write(log, { stream, events: of(7, 4) });
    await run("young", 25, "completed");
    if (at % 2 === 0) await log.saveCursors([{ stream, device: asDeviceId("tab"), offset: 1 + (at % 7) }]);
  }
}

/** Sweeps until nothing is left, or it dies; hears of each slice that it was told of. */
async function sweepAll(log: EventLog, hear: (range: RetiredRange) => void): Promise<void> {
  for (let after: string | undefined; ; ) {
    const { streams: ranges, next } = await log.retire({ ...sweep, after });
    for (const range of ranges) hear(range);
    if (next === null) return;
    after = next;
  }
}

/** What is left, and what is said of what went. */
async function pictureOf(log: EventLog): Promise<unknown> {
  const dead = Map.groupBy((await log.deadLetters({ limit: 999 })).entries, (letter) => letter.stream);
  const ofStream = async (stream: StreamKey) => {
    const { first, head, events } = await log.read(stream, 0, wide);
    const runs = (await log.runs({ stream, limit: 9 })).runs.map(({ runId, ended }) => [runId, ended]);
    const letters = (dead.get(stream) ?? []).map((letter) => ({ ...letter }));
    const { rows } = await log.outbox({ stream, limit: 9 });
    return [stream, first, head, events, runs, letters, rows.map(({ offset }) => offset), await log.ledger(stream)];
  };
  return Promise.all(streams.map(ofStream));
}

describe(`two nodes that sweep one Redis store at once (SEED=${seed})`, () => {
  it(`remove exactly what is due, never past a run that lives, and count and tell it once, though ${deaths} die`, async () => {
    const random = seededRandom(seed);
    const reference = memoryLog();
    await fill(reference);
    await sweepAll(reference, () => {});
    const due = await pictureOf(reference);

    const name = freshName();
    const open = () => openRedisLog({ url: redis.url, name, onBug: () => {}, callMs: 8_000 });
    const survivor = await open();
    await fill(survivor);
    const told: RetiredRange[] = [];
    const hear = (range: RetiredRange): void => void told.push(range);
    for (let death = 0; death < deaths; death += 1) {
      const [one, other] = [await open(), await open()];
      const sweeps = [one, other].map((log) => sweepAll(log, hear).catch(() => {}));
      for (let left = Math.floor(random() * 60); left > 0; left -= 1) await redis.ask("PING");
      // All that they have under way gets no answer, and nothing comes after it.
      await redis.ask("CLIENT", "KILL", "TYPE", "normal");
      await Promise.all(sweeps);
      await Promise.all([one.close(), other.close()]);
    }
    const [one, other] = [await open(), await open()];
    await Promise.all([one, other].map((log) => sweepAll(log, hear)));
    await sweepAll(survivor, hear);

    expect(await pictureOf(one)).toEqual(due);
    for (const stream of streams) {
      const ranges = told.filter((range) => range.stream === stream).toSorted((a, b) => a.from - b.from);
      for (const [at, { from }] of ranges.entries()) expect(from).toBeGreaterThan(ranges[at - 1]?.upto ?? 0);
      expect(ranges.at(-1)?.upto ?? 0).toBeLessThan((await one.position(stream)).first);
    }
    const living = await one.runs({ living: true, limit: 99 });
    expect(living.runs.length).toBe(8);
    for (const { tenantId, runId } of living.runs) expect((await one.readRun(tenantId, runId, 0, wide)).length).toBe(3);
    await Promise.all([one, other, survivor].map((log) => log.close()));
  });
});
