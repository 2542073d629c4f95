import { describe, expect, it } from "vitest";
import type { Epoch } from "../../protocol/ids.ts";
import { asRunId, asUserId, defaultTenant, streamKey } from "../../protocol/ids.ts";
import { foldRunView } from "../../machines/run-view.ts";
import type { RunEvent } from "../../protocol/event.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { follow } from "../../src/runtime/follow.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { completed, delta, thinking } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

const hourMs = 3_600_000;
/** Short, for many timers fire in an hour. */
const retentionMs = 4 * hourMs;
const alice = streamKey(defaultTenant, asUserId("alice"));

interface JournalLine {
  readonly level: string;
  readonly what: string;
  readonly fields: Record<string, unknown> | undefined;
}

async function world(options: Partial<RuntimeOptions> = {}) {
  const lines: JournalLine[] = [];
  const journal: RuntimeOptions["journal"] = {
    write: (level, what, fields) => void lines.push({ level, what, fields }),
  };
  const made = await runtimeUnderTest({ retentionMs, journal, leaseMs: hourMs, heartbeatMs: hourMs, ...options });
  const stats = () => made.parts.service.stats();
  const run = (runId: string) => made.call(made.parts.service.run(publisher, undefined, asRunId(runId)));
  /** So long that every sweep that falls due has come and gone, a minute at a time. */
  const pass = async (ms: number) => {
    for (let gone = 0; gone < ms; gone += hourMs) await made.clock.advance(Math.min(hourMs, ms - gone));
    for (let slice = 0; slice < 40; slice += 1) await made.clock.advance(4_000);
  };
  return { ...made, lines, stats, run, pass };
}

const startedAndEnded = async (
  { start, publish }: Pick<Awaited<ReturnType<typeof world>>, "start" | "publish">,
  runId: string,
) => {
  const { fence, epoch } = await start({ runId });
  await publish(runId, fence, [delta("a secret of alice"), completed]);
  return epoch as Epoch;
};

describe("retention", () => {
  it("takes by itself what is older, ended runs whole, and leaves the young", async () => {
    const runtime = await world();
    await startedAndEnded(runtime, "old");
    await runtime.pass(retentionMs - hourMs);
    await startedAndEnded(runtime, "young");
    expect(await runtime.log.position(alice)).toMatchObject({ first: 1, head: 6 });
    await runtime.pass(hourMs);
    expect(await runtime.log.position(alice)).toMatchObject({ first: 4, head: 6 });
    await expect(runtime.run("old")).rejects.toMatchObject({ _tag: "NotFound" });
    expect(await runtime.run("young")).toMatchObject({ state: "completed" });
    expect(runtime.stats()).toMatchObject({ eventsRetired: 3, eventsDeadLettered: 3 });
  });

  it("says how many events went unread, and of whom, without a word of what they said (L10)", async () => {
    const runtime = await world();
    await startedAndEnded(runtime, "old");
    await runtime.pass(retentionMs + hourMs);
    const told = runtime.lines.filter(({ what }) => what === "events.deadLettered");
    expect(told).toEqual([
      {
        level: "warn",
        what: "events.deadLettered",
        fields: {
          events: 3,
          streams: 1,
          named: [{ tenantId: "default", userId: "alice", from: 1, upto: 3, events: 3 }],
        },
      },
    ]);
    expect(JSON.stringify(runtime.lines)).not.toContain("secret");
  });

  it("writes the acks that still wait in memory before anything goes: what was read is not dead", async () => {
    const log = memoryLog();
    const order: string[] = [];
    const runtime = await world({
      log: {
        ...log,
        saveCursors: (cursors) => {
          order.push("saveCursors");
          return log.saveCursors(cursors);
        },
        retire: (ask) => {
          order.push("retire");
          return log.retire(ask);
        },
      },
    });
    const epoch = await startedAndEnded(runtime, "read");
    // The first sweep comes after a minute, a quarter of a second before the cursors would be written by themselves.
    await runtime.clock.advance(60_000 - 100);
    await runtime.connect("alice", { cursor: { epoch, offset: 3 } });
    await runtime.clock.advance(150);
    expect(order).toEqual(["saveCursors", "retire"]);
    await runtime.pass(retentionMs + hourMs);
    expect(runtime.stats()).toMatchObject({ eventsRetired: 3, eventsDeadLettered: 0 });
    expect(await runtime.log.ledger()).toMatchObject({ accepted: 3, acked: 3, stored: 0, deadLettered: 0 });
    expect(runtime.lines.filter(({ what }) => what === "events.deadLettered")).toEqual([]);
  });

  it("never touches a run that lives, nor what stands behind it", async () => {
    const runtime = await world({ leaseMs: 3_600_000 });
    const { fence } = await runtime.start({ runId: "living", leaseMs: 3_600_000 });
    await startedAndEnded(runtime, "behind");
    for (let hours = 0; hours < 30; hours += 1) {
      await runtime.clock.advance(hourMs / 2);
      await runtime.publish("living", fence, [thinking]);
    }
    await runtime.pass(hourMs / 4);
    expect(await runtime.log.position(alice)).toMatchObject({ first: 1 });
    expect(await runtime.run("behind")).toMatchObject({ state: "completed" });
  });

  it("waits for a log that is down, and does it later", async () => {
    const log = faultyLog(memoryLog());
    // Shorter: while a log is down it is asked once a second by each who needs it.
    const runtime = await world({ log, retentionMs: 2 * hourMs });
    await startedAndEnded(runtime, "old");
    log.setDown(true);
    await runtime.pass(3 * hourMs);
    expect(runtime.lines.some(({ what }) => what === "retention.failed")).toBe(true);
    log.setDown(false);
    await runtime.pass(hourMs);
    expect(await log.position(alice)).toMatchObject({ first: 4, head: 3 });
  });

  it("retires nothing because the wall clock jumped ahead (I14)", async () => {
    const clock = manualClock();
    let aheadMs = 0;
    const runtime = await world({ clock: Object.assign(Object.create(clock), { now: () => clock.now() + aheadMs }) });
    await startedAndEnded(runtime, "young");
    aheadMs = 49 * 24 * hourMs;
    await runtime.pass(2 * hourMs);
    expect(await runtime.log.position(alice)).toMatchObject({ first: 1, head: 3 });
  });

  it("comes to its end with the drain", async () => {
    const runtime = await world();
    await startedAndEnded(runtime, "old");
    await runtime.call(runtime.parts.service.drain);
    await runtime.pass(retentionMs + hourMs);
    expect(await runtime.log.position(alice)).toMatchObject({ first: 1 });
  });

  it("lets a run be made anew under the id of one that is gone", async () => {
    const runtime = await world();
    await startedAndEnded(runtime, "again");
    await expect(runtime.start({ runId: "again", agent: "another" })).rejects.toMatchObject({ _tag: "RunExists" });
    await runtime.pass(retentionMs + hourMs);
    expect(await runtime.start({ runId: "again", agent: "another" })).toMatchObject({ offset: 4, seq: 1, fence: 1 });
    expect(await runtime.run("again")).toMatchObject({ agent: "another", state: "started" });
  });
});

describe("compaction by the runtime", () => {
  it("comes when a run has ended so long ago, and a reader from within folds the same (L9)", async () => {
    const runtime = await world({ compactAfterMs: hourMs });
    const { fence, epoch } = await runtime.start({ runId: "told" });
    for (const word of ["It ", "is ", "forty", "-", "two"]) await runtime.publish("told", fence, [delta(word)]);
    await runtime.publish("told", fence, [completed]);
    const raw = await runtime.connect("alice", { from: "start" });
    const before = raw.events() as readonly RunEvent[];
    await runtime.pass(2 * hourMs);
    expect(runtime.stats()).toMatchObject({ deltasMerged: 4, eventsRetired: 0 });
    const fold = (events: readonly RunEvent[]) =>
      events.reduce<RunView | undefined>((view, event) => foldRunView(view, event), undefined);
    for (let offset = 0; offset <= before.length; offset += 1) {
      const tab = await runtime.connect("alice", { cursor: { epoch: epoch as Epoch, offset } });
      const seen = before.filter((event) => event.offset <= offset);
      const rest = tab.events() as readonly RunEvent[];
      expect(fold([...seen, ...rest])).toEqual(fold(before));
      // Dense by what the frames cover (L4).
      let after = offset;
      for (const frame of tab.of("events")) {
        expect(frame.after).toBe(after);
        after = frame.upto;
      }
      expect(after).toBe(before.length);
      tab.connection.closed();
    }
    expect(await runtime.run("told")).toEqual(fold(before));
  });
});

describe("a connection where retention has been", () => {
  const later = "2027-01-01T00:00:00.000Z";
  const retire = (log: EventLog) => log.retire({ before: later, now: later, maxEvents: 1_000 });

  it("is told so by its welcome, also when somebody followed the stream before (I7)", async () => {
    const runtime = await world();
    const epoch = await startedAndEnded(runtime, "old");
    await runtime.connect("alice", { cursor: { epoch, offset: 0 } });
    await retire(runtime.log);
    await startedAndEnded(runtime, "young");
    const tab = await runtime.connect("alice", { cursor: { epoch, offset: 1 } });
    expect(tab.of("welcome")[0]).toMatchObject({ resumed: "gap" });
    expect(tab.of("gap")).toEqual([{ type: "gap", from: 2, upto: 3, reason: "retention" }]);
    expect(tab.events().map(({ offset }) => offset)).toEqual([4, 5, 6]);
  });

  it("hears of it once, and rightly, when it comes between its welcome and its first read", async () => {
    const log = memoryLog();
    let between = async (): Promise<unknown> => undefined;
    const runtime = await world({
      log: { ...log, read: async (...call) => (await between(), log.read(...call)) },
    });
    const epoch = await startedAndEnded(runtime, "old");
    await startedAndEnded(runtime, "living on");
    // The older of the two goes while the reader is on its way.
    between = async () => {
      between = async () => undefined;
      await log.retire({ before: later, now: later, maxEvents: 1 });
    };
    const tab = await runtime.connect("alice", { cursor: { epoch, offset: 1 }, mergeDeltas: false });
    expect(tab.of("welcome")[0]).toMatchObject({ resumed: "replayed" });
    expect(tab.of("gap")).toEqual([{ type: "gap", from: 2, upto: 3, reason: "retention" }]);
    expect(tab.frames.map(({ type }) => type)).toEqual(["welcome", "gap", "events"]);
    expect(tab.of("events")[0]).toMatchObject({ after: 3, upto: 6 });
  });

  it("is not told that what it did not want is lost: the gap begins behind what was looked at", async () => {
    const log = memoryLog();
    let reads = 0;
    const runtime = await world({
      windowEvents: 2,
      log: {
        ...log,
        read: async (...call) => {
          reads += 1;
          if (reads === 2) await log.retire({ before: later, now: later, maxEvents: 1_000 });
          return log.read(...call);
        },
      },
    });
    const epoch = await startedAndEnded(runtime, "old");
    const { fence } = await runtime.start({ runId: "next" });
    await runtime.publish("next", fence, [completed]);
    const tab = await runtime.connect("alice", { cursor: { epoch, offset: 0 }, want: { types: ["x.note"] } });
    expect(tab.frames.slice(1)).toEqual([
      { type: "events", after: 0, upto: 2, events: [] },
      { type: "gap", from: 3, upto: 5, reason: "retention" },
    ]);
  });
});

describe("a connection whose log has lost records", () => {
  it("goes on behind them, and the next frame covers them", async () => {
    const log = memoryLog();
    const isLost = (offset: number) => offset === 2 || offset === 3;
    const runtime = await world({
      log: {
        ...log,
        read: async (stream, after, limit) => {
          const slice = await log.read(stream, after, limit);
          const corrupt = slice.events.map(({ offset }) => offset).filter(isLost);
          return { ...slice, events: slice.events.filter(({ offset }) => !isLost(offset)), corrupt };
        },
      },
    });
    const epoch = await startedAndEnded(runtime, "told");
    const tab = await runtime.connect("alice", { cursor: { epoch, offset: 0 } });
    expect(tab.events().map(({ offset }) => offset)).toEqual([1]);
    await runtime.start({ runId: "next" });
    await runtime.settle();
    expect(tab.of("events").map(({ after, upto }) => [after, upto])).toEqual([
      [0, 3],
      [3, 4],
    ]);
  });
});

describe("following a stream in the own process", () => {
  const later = "2027-01-01T00:00:00.000Z";
  const take = async (iterable: AsyncIterable<{ readonly offset: number }>, count: number) => {
    const taken: number[] = [];
    for await (const { offset } of iterable) if (taken.push(offset) === count) break;
    return taken;
  };

  it("begins at the first event that is kept, and refuses a cursor whose rest is not", async () => {
    const runtime = await world();
    await startedAndEnded(runtime, "old");
    await runtime.log.retire({ before: later, now: later, maxEvents: 1_000 });
    await startedAndEnded(runtime, "young");
    expect(await take(follow(runtime.log, alice, undefined), 3)).toEqual([4, 5, 6]);
    expect(await take(follow(runtime.log, alice, 3), 3)).toEqual([4, 5, 6]);
    for (const after of [0, 2]) {
      await expect(take(follow(runtime.log, alice, after), 1)).rejects.toMatchObject({
        ...{ _tag: "CursorExpired", reason: "retention", first: 4, head: 6 },
      });
    }
    await expect(take(follow(runtime.log, alice, 7), 1)).rejects.toMatchObject({
      _tag: "CursorExpired",
      reason: "ahead",
    });
  });

  it("fails rather than leave out what went while it was behind", async () => {
    const runtime = await world();
    await startedAndEnded(runtime, "old");
    const reader = follow(runtime.log, alice, 0);
    for (const offset of [1, 2, 3]) expect((await reader.next()).value).toMatchObject({ offset });
    // All of it is old now, and more has come and gone.
    await startedAndEnded(runtime, "missed");
    await runtime.log.retire({ before: later, now: later, maxEvents: 1_000 });
    await expect(reader.next()).rejects.toMatchObject({ _tag: "CursorExpired", first: 7, head: 6 });
  });

  it("steps over merged deltas and goes on live", async () => {
    const runtime = await world();
    const { fence } = await runtime.start({ runId: "told" });
    await runtime.publish("told", fence, [delta("a"), delta("b"), delta("c"), completed]);
    await runtime.log.compact({ endedBefore: later, maxEvents: 100 });
    const reader = follow(runtime.log, alice, undefined);
    for (const offset of [1, 4, 5]) expect((await reader.next()).value).toMatchObject({ offset });
    await runtime.start({ runId: "more" });
    expect((await reader.next()).value).toMatchObject({ offset: 6, runId: "more" });
  });
});
