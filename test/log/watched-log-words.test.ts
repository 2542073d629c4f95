import { afterEach, describe, expect, it } from "vitest";
import { LogFull, LogUnavailable } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { watchedLog } from "../../src/log/watched-log.ts";
import type { Level } from "../../src/telemetry/journal.ts";
import { rejection } from "../../src/testing/event-log/law.ts";
import { alice, bob, newRun, notice, run1, started, tenant, wide } from "../../src/testing/event-log/sample.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { asDeviceId } from "../../protocol/ids.ts";

const down = () => new LogUnavailable({ message: "the disk is silent", retryAfterMs: 10 });
let closing: EventLog[] = [];
afterEach(async () => {
  for (const log of closing) await log.close();
  closing = [];
});

/** A real log whose failures, WAL and broken records the test orders. */
function world(more: Partial<EventLog> = {}, maxWalBytes?: number) {
  const real = memoryLog();
  closing.push(real);
  const clock = manualClock();
  const told: [Level, string, Readonly<Record<string, unknown>>][] = [];
  const failing: { with: Error | undefined } = { with: undefined };
  const journal = { write: (level: Level, what: string, fields = {}) => void told.push([level, what, fields]) };
  const guarded: EventLog = {
    ...real,
    append: (append) => (failing.with === undefined ? real.append(append) : Promise.reject(failing.with)),
    ...more,
  };
  const log = watchedLog(guarded, { journal, clock, maxWalBytes });
  const names = () => told.map(([, what]) => what);
  return { log, real, clock, told, names, failing };
}

describe("what a watched log tells", () => {
  it("hands every call on, and counts the questions", async () => {
    const { log, told } = world();
    await log.append(started(newRun()));
    expect(log.health()).toEqual({
      logUp: 1,
      logFailures: 0,
      logWrites: 0,
      logReads: 0,
      corruptEvents: 0,
      logWalBytes: 0,
    });
    const heard: number[] = [];
    const leave = log.watch(({ head }) => void heard.push(head));
    await log.append(notice(alice, "a"));
    leave();
    await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 1 }]);
    expect(await log.claim(tenant, run1)).toMatchObject({ fence: 2 });
    const entry = { stream: alice, tenantId: tenant, runId: run1, type: "x.a", data: "{}", reason: "r", time: "2026" };
    await log.quarantine(entry);
    expect(heard).toEqual([2]);
    expect((await log.position(alice)).head).toBe(2);
    expect((await log.read(alice, 0, wide)).events).toHaveLength(2);
    expect((await log.living(alice)).runs).toHaveLength(1);
    expect((await log.run(tenant, run1))?.runId).toBe(run1);
    expect((await log.runs({ limit: 9 })).runs).toHaveLength(1);
    expect(await log.readRun(tenant, run1, 0, wide)).toHaveLength(1);
    expect((await log.knownKeys({ stream: alice }, ["k"])).size).toBe(0);
    expect(await log.approval(tenant, "a1")).toBeUndefined();
    expect(await log.cursor(alice, asDeviceId("d"))).toBe(1);
    expect((await log.ledger(alice)).accepted).toBe(2);
    expect((await log.deadLetters({ limit: 9 })).entries).toEqual([{ kind: "quarantined", ...entry }]);
    expect(log.health().logReads).toBe(11);
    await log.compact({ endedBefore: "2027", maxEvents: 9 });
    await log.retire({ before: "2000", now: "2027", maxEvents: 9 });
    await log.close();
    expect(await rejection(log.append(notice(alice, "late")))).toBeInstanceOf(LogUnavailable);
    expect(told.slice(0, -1)).toEqual([]);
  });

  it("says once that the log is down, and for how long it was when it is up again", async () => {
    const { log, clock, told, failing } = world();
    failing.with = down();
    expect(await rejection(log.append(notice(alice, "a")))).toBe(failing.with);
    await clock.advance(1_500);
    expect(await rejection(log.append(notice(alice, "a")))).toBe(failing.with);
    expect(log.health()).toMatchObject({ logUp: 0, logFailures: 2 });
    expect(told).toEqual([["error", "log.down", { because: "unavailable", cause: failing.with }]]);
    failing.with = undefined;
    await log.append(notice(alice, "a"));
    await log.append(notice(alice, "b"));
    expect(told.slice(1)).toEqual([["info", "log.up", { downMs: 1_500 }]]);
    expect(log.health()).toMatchObject({ logUp: 1, logFailures: 2 });
    failing.with = new LogFull({ message: "no room", retryAfterMs: 10 });
    await rejection(log.append(notice(alice, "c")));
    expect(told.at(-1)).toMatchObject(["error", "log.down", { because: "full" }]);
  });

  it("takes a mistake of its caller for no failure of the log", async () => {
    const { log, told } = world();
    expect(await rejection(log.append({ stream: alice, events: [] }))).toBeInstanceOf(TypeError);
    expect(log.health()).toMatchObject({ logUp: 1, logFailures: 0 });
    expect(told).toEqual([]);
  });

  it("asks a log that is down every second until it takes writes, and then no more", async () => {
    let probes = 0;
    let isUp = false;
    const probe = async () => {
      probes += 1;
      if (!isUp) throw down();
    };
    const { log, clock, names, failing } = world({ probe });
    failing.with = down();
    await rejection(log.append(notice(alice, "a")));
    await clock.advance(999);
    expect(probes).toBe(0);
    await clock.advance(1);
    expect(probes).toBe(1);
    await clock.advance(2_000);
    expect(probes).toBe(3);
    expect(log.health().logUp).toBe(0);
    isUp = true;
    await clock.advance(1_000);
    expect(log.health().logUp).toBe(1);
    await clock.advance(5_000);
    expect(probes).toBe(4);
    expect(names()).toEqual(["log.down", "log.up"]);
  });

  it("asks no more once a write has succeeded", async () => {
    let probes = 0;
    const { log, clock, failing } = world({ probe: async () => void (probes += 1) });
    failing.with = down();
    await rejection(log.append(notice(alice, "a")));
    failing.with = undefined;
    await log.append(notice(alice, "a"));
    await clock.advance(5_000);
    expect(probes).toBe(0);
  });

  it("asks no more when its end is near", async () => {
    let probes = 0;
    const { log, clock, failing } = world({ probe: async () => void (probes += 1) });
    failing.with = down();
    await rejection(log.append(notice(alice, "a")));
    log.rest();
    await clock.advance(5_000);
    expect(probes).toBe(0);
    const late = world({ probe: async () => void (probes += 1) });
    late.log.rest();
    late.failing.with = down();
    await rejection(late.log.append(notice(alice, "a")));
    await late.clock.advance(5_000);
    expect(probes).toBe(0);
  });

  it("warns once when the WAL grows beyond its bound, and says when it is short again", async () => {
    let bytes = 100;
    const { log, told } = world({ walBytes: () => bytes }, 100);
    await log.append(notice(alice, "a"));
    expect(told).toEqual([]);
    bytes = 101;
    await log.append(notice(alice, "b"));
    await log.append(notice(alice, "c"));
    bytes = 5;
    await log.append(notice(alice, "d"));
    await log.append(notice(alice, "e"));
    const why = expect.stringMatching(/reads the store/);
    expect(told).toEqual([
      ["warn", "log.walGrows", { bytes: 101, why }],
      ["info", "log.walShrank", { bytes: 5 }],
    ]);
    expect(log.health().logWalBytes).toBe(5);
  });

  it("has patience with a WAL up to 64 MiB", async () => {
    let bytes = 64 * 2 ** 20;
    const { log, names } = world({ walBytes: () => bytes });
    await log.append(notice(alice, "a"));
    expect(names()).toEqual([]);
    bytes += 1;
    await log.append(notice(alice, "b"));
    expect(names()).toEqual(["log.walGrows"]);
  });

  it("tells each corrupt offset of each stream once, with its owner", async () => {
    let corrupt: number[] | undefined = [2, 3];
    const real = memoryLog();
    const { log, told } = world({ read: async (...ask) => ({ ...(await real.read(...ask)), corrupt }) });
    await log.read(alice, 0, wide);
    await log.read(alice, 0, wide);
    expect(told).toEqual([
      ["error", "log.corrupt", { tenantId: tenant, userId: "alice", from: 2, upto: 3, events: 2 }],
    ]);
    corrupt = [3, 7];
    await log.read(alice, 0, wide);
    expect(told.at(-1)?.[2]).toMatchObject({ from: 7, upto: 7, events: 1 });
    await log.read(bob, 0, wide);
    expect(told.at(-1)?.[2]).toMatchObject({ userId: "bob", from: 3, upto: 7, events: 2 });
    corrupt = undefined;
    await log.read(alice, 0, wide);
    expect(told).toHaveLength(3);
    expect(log.health().corruptEvents).toBe(5);
    await real.close();
  });

  it("keeps a bounded number of corrupt offsets in mind", async () => {
    const real = memoryLog();
    let corrupt = [1, 2];
    const { log, told } = world({ read: async (...ask) => ({ ...(await real.read(...ask)), corrupt }) });
    await log.read(alice, 0, wide);
    corrupt = Array.from({ length: 9_998 }, (_, at) => at + 3);
    await log.read(alice, 0, wide);
    corrupt = [1, 2];
    await log.read(alice, 0, wide);
    expect(told).toHaveLength(2);
    corrupt = [20_000];
    await log.read(alice, 0, wide);
    corrupt = [1, 2];
    await log.read(alice, 0, wide);
    expect(told).toHaveLength(4);
    await real.close();
  });
});
