import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { asUserId, streamKey } from "../../protocol/ids.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import {
  alice,
  bob,
  event,
  newRun,
  next,
  run1,
  run2,
  started,
  tenant,
  wide,
  write,
} from "../../src/testing/event-log/sample.ts";

const carol = streamKey(tenant, asUserId("carol"));
const day = (date: number, hour = 10) => `2026-11-${date}T${hour}:00:00.000Z`;
const now = day(25);
const notices = (stream: typeof alice, time: string, count: number) => ({
  stream,
  events: Array.from({ length: count }, (_, at) => event(`${stream} ${time} ${at}`, { type: "x.note", time })),
});

let disposals: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const dispose of disposals) await dispose();
  disposals = [];
});

/** A run of deltas and its end, in one append. */
async function tell(log: EventLog, runId: typeof run1, texts: readonly string[], time: string, stream = alice) {
  const deltas = texts.map((text, at) =>
    event(`${runId} ${at}`, {
      time,
      type: "agent_delta",
      data: JSON.stringify({ messageId: "m", channel: "text", text }),
    }),
  );
  await write(log, started(newRun(runId, stream), [event(`${runId} begin`, { time })]));
  await write(log, { ...next(1, deltas, { runId }), stream });
  await write(log, {
    ...next(1 + texts.length, [event(`${runId} end`, { time })], { runId, ended: "completed" }),
    stream,
  });
}

const logs: readonly [string, () => Promise<EventLog>][] = [
  ["memory", async () => memoryLog()],
  [
    "SQLite",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "runcast-slices-"));
      disposals.push(() => rm(folder, { recursive: true }));
      return openSqliteLog({ path: join(folder, "log.db") });
    },
  ],
];

describe.each(logs)("housekeeping in slices (%s)", (_, open) => {
  const opened = async () => {
    const log = await open();
    disposals.unshift(() => log.close());
    return log;
  };

  it("ends a slice of retirement with the stream that fills it, and goes on behind it", async () => {
    const log = await opened();
    for (const stream of [alice, bob, carol]) await write(log, notices(stream, day(21), 4));
    const ask = { before: day(24), now, maxEvents: 4 };
    const first = await log.retire(ask);
    expect(first.streams).toMatchObject([{ stream: alice, from: 1, upto: 4 }]);
    expect(first.next).not.toBeNull();
    const seen: string[] = [];
    for (let after = first.next; after !== null; ) {
      const { streams, next: rest } = await log.retire({ ...ask, after });
      expect(streams.length).toBeLessThanOrEqual(1);
      seen.push(...streams.map(({ stream }) => stream));
      after = rest;
    }
    expect(seen).toEqual([bob, carol]);
  });

  it("holds nobody's stream back for another user's living run", async () => {
    const log = await opened();
    await write(log, started(newRun(run1, alice), [event("begin", { time: day(20) })]));
    await write(log, notices(bob, day(21), 2));
    const { streams } = await log.retire({ before: day(24), now, maxEvents: 100 });
    expect(streams).toMatchObject([{ stream: bob, from: 1, upto: 2 }]);
  });

  it("keeps the cuts of what stays when the beginning goes (L9)", async () => {
    const log = await opened();
    await tell(log, run1, ["a", "b", "c"], day(20));
    await tell(log, run2, ["d", "e", "f"], day(23));
    await log.compact({ endedBefore: day(24), maxEvents: 100 });
    await log.retire({ before: day(22), now, maxEvents: 100 });
    expect(await log.position(alice)).toMatchObject({ first: 6, head: 10 });
    // Run 2: its begin is at 6, its deltas were 7, 8 and 9.
    const [rest] = (await log.read(alice, 7, wide)).events;
    expect(rest).toMatchObject({ offset: 9, data: JSON.stringify({ messageId: "m", channel: "text", text: "ef" }) });
  });

  it("joins the dead letters of one stream and day, and leaves all others", async () => {
    const log = await opened();
    const entry = { stream: alice, tenantId: tenant, runId: run1, type: "x.a", data: "{}", reason: "r", time: now };
    await log.quarantine(entry);
    for (const stream of [alice, bob]) for (const date of [20, 21]) await write(log, notices(stream, day(date), 2));
    await log.retire({ before: day(21), now, maxEvents: 100 });
    await log.retire({ before: day(22), now: day(25, 11), maxEvents: 100 });
    const { entries } = await log.deadLetters({ limit: 9 });
    const shape = entries.map((letter) => [
      letter.kind,
      letter.stream,
      "from" in letter ? [letter.from, letter.upto, letter.events] : [],
    ]);
    expect(shape.toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual([
      ["quarantined", alice, []],
      ["retired", alice, [1, 4, 4]],
      ["retired", bob, [1, 4, 4]],
    ]);
  });

  it("finds the newest of the runs that opened an approval, in whatever order they did, also when one is gone", async () => {
    const log = await opened();
    await write(log, started(newRun(run1), [event("begin 1", { time: day(20) })]));
    await write(log, started(newRun(run2), [event("begin 2", { time: day(20) })]));
    const asks = (runId: typeof run1) =>
      next(1, [event(`${runId} asks`, { time: day(20) })], { runId, approvals: ["p"] });
    await write(log, asks(run2));
    await write(log, asks(run1));
    expect((await log.approval(tenant, "p"))?.runId).toBe(run2);
    await write(log, next(2, [event("end 2", { time: day(20) })], { runId: run2, ended: "failed" }));
    expect((await log.approval(tenant, "p"))?.runId).toBe(run2);
    await write(log, next(2, [event("end 1", { time: day(20) })], { runId: run1, ended: "failed" }));
    await write(log, started(newRun(run1, bob, { runId: "r3" as typeof run1 }), [event("begin 3", { time: day(24) })]));
    await write(log, {
      ...next(1, [event("3 asks", { time: day(24) })], { runId: "r3" as typeof run1, approvals: ["p"] }),
      stream: bob,
    });
    await log.retire({ before: day(22), now, maxEvents: 100 });
    expect((await log.approval(tenant, "p"))?.runId).toBe("r3");
    expect(await log.approval(tenant, "p", alice)).toBeUndefined();
  });

  it("rings for nobody after its end", async () => {
    const log = await open();
    const heard: number[] = [];
    log.watch(({ head }) => void heard.push(head));
    const late = log.append(notices(alice, day(20), 1));
    await log.close();
    await late;
    expect(heard).toEqual([1]);
  });
});

describe("the slices of the memory log, whose counts are exact", () => {
  it("takes several streams in one slice while there is room", async () => {
    const log = memoryLog();
    for (const stream of [alice, bob, carol]) await write(log, notices(stream, day(21), 2));
    const { streams, next: rest } = await log.retire({ before: day(24), now, maxEvents: 5 });
    expect(streams.map(({ stream }) => stream)).toEqual([alice, bob, carol]);
    if (rest !== null)
      expect((await log.retire({ before: day(24), now, maxEvents: 5, after: rest })).streams).toEqual([]);
  });

  it("compacts run by run, says while there is more, and each run once", async () => {
    const log = memoryLog();
    await tell(log, run1, ["a", "b", "c"], day(21));
    await tell(log, run2, ["d", "e"], day(21), bob);
    const ask = { endedBefore: day(24), maxEvents: 5 };
    expect(await log.compact(ask)).toEqual({ merged: 2, more: true });
    expect(await log.compact({ ...ask, maxEvents: 100 })).toEqual({ merged: 1, more: false });
    expect(await log.compact({ ...ask, maxEvents: 100 })).toEqual({ merged: 0, more: false });
  });
});
