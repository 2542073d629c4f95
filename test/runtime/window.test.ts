import { describe, expect, it } from "vitest";
import { streamKey, asTenantId, asUserId } from "../../protocol/ids.ts";
import type { Bell } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { delta, note } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import type { TestConnection } from "../support/runtime-under-test.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

const stream = streamKey(asTenantId("default"), asUserId("alice"));
const many = (count: number, data: object = {}) => Array.from({ length: count }, () => note(data));
const offsets = (tab: TestConnection): readonly number[] => tab.events().map(({ offset }) => offset);
const upTo = (head: number, after = 0): readonly number[] =>
  Array.from({ length: head - after }, (_, index) => after + index + 1);

/** The mode of the only connection's delivery, as its machine sees it. */
function deliveryOf(world: Awaited<ReturnType<typeof runtimeUnderTest>>) {
  const modes: string[] = [];
  const subscription = world.parts.supervisor.root.system.inspect((event) => {
    if (event.type !== "@xstate.snapshot" || !("value" in event.snapshot)) return;
    const { value } = event.snapshot;
    if (["replaying", "live", "blocked", "ended"].includes(String(value)) && modes.at(-1) !== value)
      modes.push(String(value));
  });
  return { modes, stop: () => subscription.unsubscribe() };
}

describe("a window", () => {
  it.each([1, 2, 7, 100])(
    "of %i events is exactly what a client gets that never acks, and it loses nothing",
    async (size) => {
      const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: size });
      const tab = await connect("alice", { from: "start", mergeDeltas: false });
      const { runId } = await start();
      for (let round = 0; round < 3; round += 1) await publish(runId, 1, many(99));
      await settle();
      expect(tab.of("welcome")[0]?.windowEvents).toBe(size);
      expect(offsets(tab)).toEqual(upTo(size));
      while ((offsets(tab).at(-1) ?? 0) < 298) {
        tab.say({ type: "ack", offset: offsets(tab).at(-1) ?? 0 });
        await settle();
      }
      expect(offsets(tab)).toEqual(upTo(298));
    },
  );

  it("of bytes holds back in the same way, and lets one large event pass", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowBytes: 4_000 });
    const tab = await connect("alice", { from: "now" });
    const { runId } = await start();
    const text = "x".repeat(1_500);
    for (let round = 0; round < 10; round += 1) await publish(runId, 1, [note({ text })]);
    await settle();
    expect(offsets(tab).length).toBeGreaterThanOrEqual(2);
    expect(offsets(tab).length).toBeLessThanOrEqual(4);
    tab.say({ type: "ack", offset: offsets(tab).at(-1) ?? 0 });
    await publish(runId, 1, [note({ text: "y".repeat(50_000) })]);
    for (let round = 0; round < 20; round += 1) {
      tab.say({ type: "ack", offset: offsets(tab).at(-1) ?? 0 });
      await settle();
    }
    expect(offsets(tab)).toEqual(upTo(12));
  });

  it("opens by the part that was acknowledged", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: 10 });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, many(50));
    await settle();
    expect(offsets(tab)).toEqual(upTo(10));
    tab.say({ type: "ack", offset: 3 });
    await settle();
    expect(offsets(tab)).toEqual(upTo(13));
    tab.say({ type: "ack", offset: 4 });
    await settle();
    expect(offsets(tab)).toEqual(upTo(14));
    tab.say({ type: "ack", offset: 14 });
    await settle();
    expect(offsets(tab)).toEqual(upTo(24));
  });

  it("is not moved by an ack for what was never sent, nor by one that goes back", async () => {
    const { start, publish, connect, settle, log, clock } = await runtimeUnderTest({ windowEvents: 5 });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, many(20));
    await settle();
    for (const offset of [6, 21, 1_000, Number.MAX_SAFE_INTEGER]) tab.say({ type: "ack", offset });
    await settle();
    expect(offsets(tab)).toEqual(upTo(5));
    tab.say({ type: "ack", offset: 5 });
    tab.say({ type: "ack", offset: 2 });
    tab.say({ type: "ack", offset: 0 });
    await clock.advance(1_000);
    expect(offsets(tab)).toEqual(upTo(10));
    expect(await log.ledger()).toMatchObject({ acked: 5, stored: 16 });
  });

  it("acknowledges what an ack names and no more, wherever the connection began (I8)", async () => {
    const { start, publish, connect, settle, log, clock } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, many(20));
    for (const hello of [{ from: "now" as const }, {}]) {
      const tab = await connect("alice", hello);
      tab.say({ type: "ack", offset: 0 });
      tab.say({ type: "ack", offset: 3 });
    }
    await settle();
    await clock.advance(1_000);
    expect(await log.ledger()).toMatchObject({ acked: 3, stored: 18 });
  });

  it("of one tab does not hold the other", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: 5 });
    const slow = await connect("alice", { from: "start" });
    const fast = await connect("alice", { from: "start" });
    const { runId } = await start();
    for (let round = 0; round < 20; round += 1) {
      await publish(runId, 1, many(4));
      await settle();
      fast.say({ type: "ack", offset: offsets(fast).at(-1) ?? 0 });
      await settle();
    }
    expect(offsets(slow)).toEqual(upTo(5));
    expect(offsets(fast)).toEqual(upTo(81));
  });

  it("never makes a publisher wait", async () => {
    const { start, publish, connect } = await runtimeUnderTest({ windowEvents: 1 });
    await connect("alice", { from: "start" });
    const { runId } = await start();
    const answers = await Promise.all(Array.from({ length: 200 }, () => publish(runId, 1, [note()])));
    expect(answers.at(-1)).toMatchObject({ seq: 201 });
  });
});

describe("delivery", () => {
  it("goes from replaying to live to blocked and back, and its machine knows", async () => {
    const world = await runtimeUnderTest({ windowEvents: 4 });
    const { start, publish, connect, settle } = world;
    const { modes, stop } = deliveryOf(world);
    const { runId } = await start();
    await publish(runId, 1, many(2));
    const tab = await connect("alice", { from: "start" });
    expect(modes.at(-1)).toBe("live");
    await publish(runId, 1, many(10));
    await settle();
    expect(modes.at(-1)).toBe("blocked");
    for (const offset of [4, 8, 12]) {
      tab.say({ type: "ack", offset });
      await settle();
    }
    expect(offsets(tab)).toEqual(upTo(13));
    expect(modes.at(-1)).toBe("live");
    tab.connection.closed();
    expect(modes.at(-1)).toBe("ended");
    stop();
  });

  it("stops while the socket holds too much, and goes on when it has drained", async () => {
    const world = await runtimeUnderTest();
    const { start, publish, connect, settle } = world;
    const { modes, stop } = deliveryOf(world);
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await settle();
    tab.transport.bufferedBytes = 2 * 1_048_576;
    await publish(runId, 1, many(5));
    await settle();
    expect(offsets(tab)).toEqual([1]);
    expect(modes.at(-1)).toBe("blocked");
    tab.transport.bufferedBytes = 0;
    tab.connection.writable();
    await settle();
    expect(offsets(tab)).toEqual(upTo(6));
    expect(modes.at(-1)).toBe("live");
    stop();
  });

  it("goes on with the next bell, or the heartbeat, when nobody said that the socket has drained", async () => {
    const world = await runtimeUnderTest({ leaseMs: 3_600_000 });
    const { start, publish, connect, settle, clock } = world;
    const { modes, stop } = deliveryOf(world);
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await settle();
    tab.transport.bufferedBytes = 2 * 1_048_576;
    await publish(runId, 1, many(2));
    await settle();
    tab.transport.bufferedBytes = 0;
    await publish(runId, 1, many(1));
    await settle();
    expect(offsets(tab)).toEqual(upTo(4));
    expect(modes.at(-1)).toBe("live");
    tab.transport.bufferedBytes = 2 * 1_048_576;
    await publish(runId, 1, many(1));
    await settle();
    tab.transport.bufferedBytes = 0;
    await clock.advance(16_000);
    expect(offsets(tab)).toEqual(upTo(5));
    expect(modes.at(-1)).toBe("live");
    stop();
  });

  it("merges neighbouring deltas for a reader that was blocked, and only for it", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: 2 });
    const merging = await connect("alice", { from: "start" });
    const exact = await connect("alice", { from: "start", mergeDeltas: false });
    const { runId } = await start();
    for (const letter of "abcdefgh") await publish(runId, 1, [delta(letter)]);
    await settle();
    const drain = async (tab: TestConnection) => {
      for (let round = 0; round < 10; round += 1) {
        tab.say({ type: "ack", offset: offsets(tab).at(-1) ?? 0 });
        await settle();
      }
      const texts = tab
        .events()
        .slice(1)
        .map(({ data }) => (data as { text: string }).text);
      return { count: texts.length, text: texts.join(""), last: offsets(tab).at(-1) };
    };
    expect(await drain(exact)).toEqual({ count: 8, text: "abcdefgh", last: 9 });
    const merged = await drain(merging);
    expect(merged).toMatchObject({ text: "abcdefgh", last: 9 });
    expect(merged.count).toBeLessThan(8);
    expect(
      merging
        .of("events")
        .map(({ after }) => after)
        .slice(1),
    ).toEqual(
      merging
        .of("events")
        .map(({ upto }) => upto)
        .slice(0, -1),
    );
  });

  it("encodes a frame once for all who stand at the same place", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tabs = [await connect("alice", { from: "start" }), await connect("alice", { from: "start" })];
    const { runId } = await start();
    await publish(runId, 1, many(3));
    await settle();
    const [first, second] = tabs.map(({ transport }) => transport.raw.at(-1)?.bytes);
    expect(first).toBeDefined();
    expect(first).toBe(second);
  });

  it("does not let one broken socket take the others with it", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const broken = await connect("alice", { from: "start" });
    const whole = await connect("alice", { from: "start" });
    broken.transport.write = () => {
      throw new Error("EPIPE");
    };
    const { runId } = await start();
    expect(await publish(runId, 1, many(3))).toMatchObject({ seq: 4 });
    await settle();
    expect(offsets(whole)).toEqual(upTo(4));
  });

  it("reads on from the log what is no longer in memory", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: 100 });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    const head = 5_001;
    for (let round = 0; round < 5; round += 1) await publish(runId, 1, many(1_000, { pad: "x".repeat(200) }));
    await settle();
    while ((offsets(tab).at(-1) ?? 0) < head) {
      const before = offsets(tab).length;
      tab.say({ type: "ack", offset: offsets(tab).at(-1) ?? 0 });
      await settle();
      expect(offsets(tab).length).toBeGreaterThan(before);
    }
    expect(offsets(tab)).toEqual(upTo(head));
  });

  it("waits for a log that does not answer, and then goes on", async () => {
    const log = faultyLog(memoryLog());
    const before = await runtimeUnderTest({ log });
    const { runId } = await before.start();
    await before.publish(runId, 1, many(9));
    const { connect, settle, clock } = await runtimeUnderTest({ log, windowEvents: 3, leaseMs: 3_600_000 });
    const tab = await connect("alice", { from: "start" });
    log.setDown(true);
    tab.say({ type: "ack", offset: 3 });
    await settle();
    expect(offsets(tab)).toEqual(upTo(3));
    log.setDown(false);
    await clock.advance(1_100);
    expect(offsets(tab)).toEqual(upTo(6));
  });

  it.each([false, true])(
    "hears a bell that another process rang, without its events (filtered: %s)",
    async (filtered) => {
      const log = memoryLog();
      const listeners = new Set<(bell: Bell) => void>();
      log.watch(({ events: _events, ...bell }) => {
        for (const listener of listeners) listener(bell);
      });
      const here = await runtimeUnderTest({
        log: { ...log, watch: (listener) => (listeners.add(listener), () => void listeners.delete(listener)) },
      });
      const tab = await here.connect("alice", { from: "start", ...(filtered && { want: { types: ["x.note"] } }) });
      const there = await runtimeUnderTest({ log });
      const { runId } = await there.start();
      await there.publish(runId, 1, many(3));
      await here.settle();
      expect(offsets(tab).at(-1)).toBe(4);
      expect(offsets(tab)).toHaveLength(filtered ? 3 : 4);
    },
  );

  it("does not spin when the bell is ahead of what the log shows", async () => {
    const log = memoryLog();
    const listeners = new Set<(bell: Bell) => void>();
    const world = await runtimeUnderTest({
      log: {
        ...log,
        watch: (listener) => {
          listeners.add(listener);
          return log.watch(listener);
        },
      },
    });
    const tab = await world.connect("alice", { from: "start" });
    const { runId, epoch } = await world.start();
    for (const listener of listeners) listener({ stream, epoch: epoch as never, head: 2 });
    await world.settle();
    expect(offsets(tab)).toEqual([1]);
    await world.publish(runId, 1, many(2));
    await world.clock.advance(1_100);
    expect(offsets(tab)).toEqual(upTo(3));
  });
});
