/** Records of the Redis log that were damaged: never delivered, each named and dead-lettered once (FAULTS 8, L10). */
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asDeviceId, asRunId } from "../../../protocol/ids.ts";
import type { EventLog } from "../../../src/log/event-log.ts";
import { openRedisLog } from "../../../src/log/redis/redis.ts";
import {
  alice,
  bob,
  event,
  newRun,
  next,
  notice,
  run1,
  started,
  tenant,
  wide,
  write,
} from "../../../src/testing/event-log/sample.ts";
import { freshName, openLog } from "../../support/redis-log.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { seededRandom } from "../../support/seeded-random.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start({ appendfsync: "always" });
});
afterAll(() => redis[Symbol.asyncDispose]());

const keyOf = (name: string, part: string): string => `${name}:{4%3Aacme%3Aalice}:${part}`;

type Entry = readonly [id: string, fields: readonly string[]];

/** Writes the events of alice's stream anew, as `change` leaves them; undefined: it is gone. */
async function rewrite(name: string, change: (entry: Entry, at: number, all: readonly Entry[]) => Entry | undefined) {
  const entries = (await redis.ask("XRANGE", keyOf(name, "x"), "-", "+")) as readonly Entry[];
  await redis.ask("DEL", keyOf(name, "x"));
  for (const [at, entry] of entries.entries()) {
    const [id, fields] = change(entry, at, entries) ?? [];
    if (id !== undefined) await redis.ask("XADD", keyOf(name, "x"), id, ...(fields ?? []));
  }
}

const gone =
  (...offsets: readonly number[]) =>
  (entry: Entry, at: number) =>
    offsets.includes(at + 1) ? undefined : entry;

/** Six events of a run. */
const toldRun = () =>
  started(
    newRun(),
    ["a", "b", "c", "d", "e", "f"].map((one) => event(one)),
  );

const letters = async (log: EventLog) => (await log.deadLetters({ limit: 99 })).entries;

describe("a record in Redis", () => {
  it("that was changed, moved or taken away is never delivered, and is named and counted once", async () => {
    const name = freshName();
    const log = await openLog(redis.url, name);
    await write(log, toldRun());
    // The second is changed, the third is gone, the fifth is the fourth once more.
    await rewrite(name, ([id, [o = "", offset = "", t = "", time = "", e = "", text = ""]], at, all) => {
      if (at === 1) return [id, [o, offset, t, time, e, text.replace('"name":"b"', '"name":"B"')]];
      return at === 2 ? undefined : at === 4 ? [id, all[3]?.[1] ?? []] : [id, [o, offset, t, time, e, text]];
    });
    const slice = await log.read(alice, 0, wide);
    expect(slice.events.map(({ id }) => id)).toEqual(["id-a", "id-d", "id-f"]);
    expect(slice).toMatchObject({ corrupt: [2, 3, 5], upto: 6, head: 6 });
    // A reader goes on in pages.
    const pages: number[] = [];
    for (let after = 0; after < 6; ) {
      const page = await log.read(alice, after, { maxEvents: 2, maxBytes: 10_000 });
      pages.push(...page.events.map(({ offset }) => offset));
      after = page.upto;
    }
    expect(pages).toEqual([1, 4, 6]);
    expect((await log.readRun(tenant, run1, 0, wide)).map(({ id }) => id)).toEqual(["id-a", "id-d", "id-f"]);
    expect(await letters(log)).toMatchObject([
      { kind: "corrupt", stream: alice, tenantId: tenant, from: 5, upto: 5, events: 1 },
      { kind: "corrupt", stream: alice, tenantId: tenant, from: 2, upto: 3, events: 2 },
    ]);
    expect(await log.ledger(alice)).toEqual({ accepted: 6, acked: 0, stored: 3, deadLettered: 3 });
    await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 5 }]);
    expect(await log.ledger()).toEqual({ accepted: 6, acked: 2, stored: 1, deadLettered: 3 });
    expect(await log.append(next(6, [event("g")]))).toMatchObject({ kind: "appended", offset: 7, seq: 7 });
  });

  it("that is gone at the end, or stands behind the head, lets a reader go on", async () => {
    const name = freshName();
    const log = await openLog(redis.url, name);
    await write(log, toldRun());
    await rewrite(name, ([id, fields], at) => (at === 5 ? ["900-0", fields] : gone(5)([id, fields], at)));
    expect(await log.read(alice, 0, wide)).toMatchObject({ corrupt: [5, 6], upto: 6, head: 6 });
    expect(await log.read(alice, 4, wide)).toMatchObject({ events: [], corrupt: [5, 6], upto: 6 });
    expect(await letters(log)).toMatchObject([{ from: 5, upto: 6, events: 2 }]);
    expect(await log.ledger()).toEqual({ accepted: 6, acked: 0, stored: 4, deadLettered: 2 });
  });

  it("that two nodes meet at once has one dead letter, wherever each begins to read", async () => {
    const name = freshName();
    const logs = [await openLog(redis.url, name), await openLog(redis.url, name), await openLog(redis.url, name)];
    const [one] = logs;
    if (one === undefined) throw new Error("there are logs");
    const total = 120;
    await write(one, notice(bob, ...Array.from({ length: 3 }, (_, at) => `bob ${at}`)));
    await write(one, notice(alice, ...Array.from({ length: total }, (_, at) => `note ${at}`)));
    await rewrite(name, (entry, at) => (at % 10 < 4 ? undefined : entry));
    const reads = logs.flatMap((log) => [0, 7, 14, 21, 28, 35].map((after) => log.read(alice, after, wide)));
    for (const { upto } of await Promise.all(reads)) expect(upto).toBe(total);
    await one.read(alice, 0, wide);
    const found = await letters(one);
    const named = found.flatMap((letter) =>
      letter.kind === "corrupt" ? Array.from({ length: letter.events }, (_, at) => letter.from + at) : [],
    );
    const lost = Array.from({ length: total }, (_, at) => at + 1).filter((offset) => (offset - 1) % 10 < 4);
    expect(named.toSorted((first, second) => first - second)).toEqual(lost);
    expect(await one.ledger(alice)).toEqual({ accepted: total, acked: 0, stored: 72, deadLettered: 48 });
    // Nothing is left of the places that were taken in vain.
    expect(await redis.ask("ZCARD", `${name}:{letters}:all`)).toBe(found.length);
    expect(await redis.ask("ZCARD", `${name}:{letters}:times`)).toBe(found.length);
  });

  it("that is lost goes with retention, counted once and told once", async () => {
    const name = freshName();
    const log = await openLog(redis.url, name);
    await write(log, notice(alice, "a", "b", "c", "d", "e", "f"));
    await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 2 }]);
    await rewrite(name, gone(2, 4));
    await log.read(alice, 0, wide);
    expect(await log.ledger(alice)).toEqual({ accepted: 6, acked: 1, stored: 3, deadLettered: 2 });
    const later = "2026-12-25T10:00:00.000Z";
    const { streams } = await log.retire({ before: later, now: later, maxEvents: 100 });
    expect(streams).toEqual([{ stream: alice, from: 1, upto: 6, deadLettered: 3 }]);
    expect(await log.ledger(alice)).toEqual({ accepted: 6, acked: 1, stored: 0, deadLettered: 5 });
    expect((await letters(log))[0]).toMatchObject({ kind: "retired", from: 3, upto: 6, events: 3 });
    expect(await redis.ask("EXISTS", keyOf(name, "lost"))).toBe(0);
  });

  it("that is lost without a time does not keep what is old behind it", async () => {
    const name = freshName();
    const log = await openLog(redis.url, name);
    await write(log, notice(alice, "a", "b", "c"));
    await rewrite(name, ([id, [o = "", offset = "", t = "", time = "", ...rest]], at) => [
      id,
      [o, offset, t, at === 1 ? `~${time}` : time, ...rest],
    ]);
    await log.read(alice, 0, wide);
    const later = "2026-12-25T10:00:00.000Z";
    const { streams } = await log.retire({ before: later, now: later, maxEvents: 100 });
    expect(streams).toEqual([{ stream: alice, from: 1, upto: 3, deadLettered: 2 }]);
  });
});

const seed = Number(process.env["SEED"] ?? 1);
const flips = Number(process.env["FLIPS"] ?? 20);

/** Where the words of commands that write events stand in an append-only file. */
function wordsOfEvents(bytes: Buffer): readonly number[] {
  const places: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const line = (): number => {
      const end = bytes.indexOf("\r\n", at);
      const count = Number(bytes.toString("latin1", at + 1, end));
      at = end + 2;
      return count;
    };
    const words: (readonly [from: number, upto: number])[] = [];
    for (let left = line(); left > 0; left -= 1) {
      const length = line();
      words.push([at, at + length]);
      at += length + 2;
    }
    const [command, key] = words.slice(0, 2).map(([from, upto]) => bytes.toString("latin1", from, upto));
    if ((command === "XADD" && key?.endsWith(":x") === true) || (command === "ZADD" && key?.endsWith(":m") === true))
      for (const [from, upto] of words.slice(1)) for (let place = from; place < upto; place += 1) places.push(place);
  }
  return places;
}

describe(`flipped bits in the append-only file of a Redis server (SEED=${seed})`, () => {
  it(`deliver nothing that was not said, in ${flips} places: what is lost is named, and all else comes`, async () => {
    await using own = await RedisServer.start({ appendfsync: "always" });
    const open = () => openRedisLog({ url: own.url, onBug: () => {} });
    const log = await open();
    const runs = Array.from({ length: 6 }, (_, at) => ({ runId: asRunId(`run-${at}`), stream: at % 2 ? bob : alice }));
    const delta = (text: string) =>
      event(text, { type: "agent_delta", data: JSON.stringify({ messageId: "m", channel: "text", text }) });
    for (const { runId, stream } of runs) {
      await write(log, started(newRun(runId, stream)));
      const more = { runId, tenantId: tenant };
      for (let seq = 1; seq < 8; seq += 1)
        await write(log, { stream, events: [delta(`${seq} words`)], run: { ...more, expectedSeq: seq } });
      await write(log, { stream, events: [event("end")], run: { ...more, expectedSeq: 8, ended: "completed" } });
    }
    // Of one run, merged deltas as well.
    await log.compact({ endedBefore: "2026-12-25T10:00:00.000Z", maxEvents: 1 });
    const streams = [alice, bob];
    const truth = await Promise.all(streams.map((stream) => log.read(stream, 0, wide)));
    await log.close();
    await own.kill();
    const sound = await readFile(own.appendFile);
    const places = wordsOfEvents(sound);
    const random = seededRandom(seed);
    const draw = (count: number) => Math.floor(random() * count);
    let detected = 0;
    for (let flip = 0; flip < flips; flip += 1) {
      const bytes = Buffer.from(sound);
      const place = places[draw(places.length)] ?? 0;
      bytes[place] = (bytes[place] ?? 0) ^ (1 + draw(255));
      await writeFile(own.appendFile, bytes);
      await own.restart();
      const flipped = await open();
      for (const [at, stream] of streams.entries()) {
        const { events, corrupt = [], upto, head } = await flipped.read(stream, 0, wide);
        const said = truth[at]?.events ?? [];
        expect([upto, head]).toEqual([truth[at]?.head, truth[at]?.head]);
        const lost = said.filter(({ offset }) => corrupt.includes(offset));
        expect(events, `flip ${flip} at ${place}`).toEqual(said.filter((one) => !lost.includes(one)));
        detected += corrupt.length > 0 ? 1 : 0;
        const { entries } = await flipped.deadLetters({ stream, limit: 99 });
        const counted = entries.reduce((sum, letter) => sum + (letter.kind === "corrupt" ? letter.events : 0), 0);
        expect(counted).toBe(corrupt.length);
        const { deadLettered } = await flipped.ledger(stream);
        expect(deadLettered).toBe(corrupt.length);
      }
      await flipped.close();
      await own.kill();
    }
    expect(detected).toBeGreaterThan(flips / 2);
  }, 120_000);
});
