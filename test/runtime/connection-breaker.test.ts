import type { AnyActorRef } from "xstate";
import { describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { note } from "../support/events.ts";
import type { RuntimeUnderTest, TestConnection } from "../support/runtime-under-test.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

const heartbeatMs = 1_000;
const openMs = 30_000;
/** More than a heartbeat, so that each of these sees exactly one or two. */
const lateMs = 60;
const leaseMs = 3_600_000;
const offsets = (tab: TestConnection): readonly number[] => tab.events().map(({ offset }) => offset);
const states = (tab: TestConnection): readonly unknown[] =>
  tab.of("status").flatMap(({ channel, state }) => (channel === "connection" ? [state] : []));
const upTo = (head: number): readonly number[] => Array.from({ length: head }, (_, index) => index + 1);
const counts = ({ parts, call }: RuntimeUnderTest) =>
  call(parts.service.breakers(publisher)).then(({ connections }) => connections);

/** A tab that has acknowledged one event, has two more, and is silent from here on until its breaker is open. */
async function stopped(options: object = {}) {
  const world = await runtimeUnderTest({ heartbeatMs, leaseMs, ...options });
  const tab = await world.connect("alice", { from: "start" });
  const { runId } = await world.start();
  await world.settle();
  tab.say({ type: "ack", offset: 1 });
  const say = async (count = 1) => {
    await world.publish(
      runId,
      1,
      Array.from({ length: count }, () => note()),
    );
    await world.settle();
  };
  await say(2);
  await world.clock.advance(7 * heartbeatMs);
  return { ...world, tab, say };
}

describe("the breaker of a connection", () => {
  it("opens after five heartbeats without progress of the ack, and then costs its cursor alone", async () => {
    const { tab, say, parts, call, clock } = await stopped();
    expect(states(tab)).toEqual(["open"]);
    await say(10);
    await clock.advance(5 * heartbeatMs);
    expect(offsets(tab)).toEqual([1, 2, 3]);
    expect(await call(parts.service.breakers(publisher))).toMatchObject({
      health: 100,
      connections: { open: 1, halfOpen: 0, closed: 0, lowestHealth: 0 },
    });
    // What stands beside the stream is told all the same.
    tab.say({ type: "ping", ref: 1 });
    expect(tab.of("pong")).toEqual([{ type: "pong", ref: 1 }]);
    expect(tab.transport.ended).toBeUndefined();
  });

  it("closes at once with the next ack, and everything follows in order", async () => {
    const { tab, say, settle } = await stopped();
    await say(10);
    tab.say({ type: "ack", offset: 3 });
    await settle();
    expect(offsets(tab)).toEqual(upTo(13));
    expect(states(tab).at(-1)).toBe("closed");
  });

  it("is not closed by an ack that is no progress, nor by one for what was never sent", async () => {
    const { tab, say, settle } = await stopped();
    await say();
    for (const offset of [0, 1, 4, 99]) tab.say({ type: "ack", offset });
    await settle();
    expect([offsets(tab), states(tab)]).toEqual([[1, 2, 3], ["open"]]);
  });

  it("lets one frame through as its probe when half open, and opens anew when that is not acked", async () => {
    const { tab, say, clock } = await stopped();
    await say(200);
    await clock.advance(openMs);
    expect(states(tab)).toEqual(["open", "halfOpen"]);
    const withProbe = tab.of("events").length;
    // As much as one frame holds.
    expect(offsets(tab)).toEqual(upTo(3 + 128));
    await say(1);
    expect(tab.of("events")).toHaveLength(withProbe);
    await clock.advance(2 * heartbeatMs);
    expect(states(tab)).toEqual(["open", "halfOpen", "open"]);
    expect(tab.of("events")).toHaveLength(withProbe);
  });

  it("closes when the probe is acked", async () => {
    const { tab, say, settle, clock } = await stopped();
    await say(200);
    await clock.advance(openMs);
    tab.say({ type: "ack", offset: 131 });
    await settle();
    expect(offsets(tab)).toEqual(upTo(203));
    expect(states(tab)).toEqual(["open", "halfOpen", "closed"]);
  });

  it("begins its count anew with each progress", async () => {
    const { tab, say, clock } = await stopped({ breakers: { connection: { maxFailures: 100 } } });
    for (let offset = 2; offset < 40; offset += 1) {
      tab.say({ type: "ack", offset });
      await say();
      await clock.advance(4 * heartbeatMs);
    }
    expect(states(tab)).toEqual([]);
    expect(offsets(tab)).toEqual(upTo(41));
  });

  it("never opens for a client that never acks: it gets its whole window, however long that takes", async () => {
    const world = await runtimeUnderTest({ heartbeatMs, leaseMs, windowEvents: 20 });
    const tab = await world.connect("alice", { from: "start" });
    const { runId } = await world.start();
    for (let round = 0; round < 30; round += 1) {
      await world.publish(runId, 1, [note()]);
      await world.clock.advance(10 * heartbeatMs);
    }
    expect(offsets(tab)).toEqual(upTo(20));
    expect(states(tab)).toEqual([]);
    expect(await counts(world)).toEqual({ open: 0, halfOpen: 0, closed: 1, lowestHealth: 50 });
  });

  it("never opens while nothing stands un-acked, and forgives a ping that went unanswered", async () => {
    const world = await runtimeUnderTest({ heartbeatMs, leaseMs });
    const tab = await world.connect("alice", { from: "start" });
    await world.start();
    tab.say({ type: "ack", offset: 1 });
    for (let round = 0; round < 20; round += 1) {
      tab.transport.answersPings = round % 2 === 0;
      await world.clock.advance(heartbeatMs);
      if (round % 2 === 1) tab.connection.heard();
    }
    expect(states(tab)).toEqual([]);
    expect(await counts(world)).toMatchObject({ closed: 1, lowestHealth: 100 });
  });

  it("counts an unanswered ping, and heals with the next that is answered", async () => {
    const world = await runtimeUnderTest({ heartbeatMs, leaseMs, breakers: { connection: { maxFailures: 1 } } });
    const { clock, connect, start, settle } = world;
    const tab = await connect("alice", { from: "start" });
    tab.transport.answersPings = false;
    await clock.advance(2 * heartbeatMs + lateMs);
    expect(states(tab)).toEqual(["open"]);
    tab.transport.answersPings = true;
    tab.connection.heard();
    await start();
    await settle();
    expect(offsets(tab)).toEqual([]);
    await clock.advance(openMs + 2 * heartbeatMs);
    expect(states(tab)).toEqual(["open", "halfOpen", "closed"]);
    expect(offsets(tab)).toEqual([1]);
  });

  it("counts a write that the socket refused", async () => {
    const world = await runtimeUnderTest({ heartbeatMs, leaseMs });
    const tab = await world.connect("alice", { from: "start" });
    tab.transport.write = () => false;
    await world.start();
    await world.settle();
    expect(await counts(world)).toMatchObject({ closed: 1, lowestHealth: 90 });
  });

  it("holds back what was being read from the log when it opened", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ log, leaseMs });
    await before.start();
    const gate = Promise.withResolvers<void>();
    const slow = { ...log, read: (...call: Parameters<typeof log.read>) => gate.promise.then(() => log.read(...call)) };
    const breakers = { connection: { maxFailures: 1 } };
    const { connect, clock, settle } = await runtimeUnderTest({ log: slow, heartbeatMs, leaseMs, breakers });
    const tab = await connect("alice", { from: "start" });
    tab.transport.answersPings = false;
    await clock.advance(2 * heartbeatMs + lateMs);
    tab.connection.heard();
    expect(states(tab)).toEqual(["open"]);
    gate.resolve();
    await settle();
    expect(offsets(tab)).toEqual([]);
    tab.transport.answersPings = true;
    await clock.advance(openMs + 2 * heartbeatMs);
    expect(offsets(tab)).toEqual([1]);
  });

  it("asks nothing of SSE but its acks", async () => {
    const { open, clock, settle, start, publish } = await runtimeUnderTest({ heartbeatMs, leaseMs });
    const tab = await open({ kind: "sse" });
    tab.say({ type: "hello", token: "alice", from: "start" });
    const { runId } = await start();
    await settle();
    await clock.advance(10 * heartbeatMs);
    expect(states(tab)).toEqual([]);
    tab.say({ type: "ack", offset: 1 });
    await publish(runId, 1, [note()]);
    await clock.advance(8 * heartbeatMs);
    expect(states(tab)).toEqual(["open"]);
  });
});

describe("10,000 breakers of connections", () => {
  const many = 10_000;
  const rounds = 8;

  /** How many timers are set while so many connections fail and heal, and which actors their breakers have. */
  async function cost(size: number) {
    const clock = manualClock();
    let timers = 0;
    const world = await runtimeUnderTest({
      heartbeatMs,
      leaseMs,
      tiers: { tiers: { enterprise: { connections: many, connectionsPerSecond: many } } },
      clock: {
        ...clock,
        get nextInMs() {
          return clock.nextInMs;
        },
        after: (...call) => ((timers += 1), clock.after(...call)),
      },
    });
    const actors = new Set<AnyActorRef>();
    const subscription = world.parts.supervisor.root.system.inspect((event) => {
      if (event.type !== "@xstate.actor" || !("id" in event.actorRef)) return;
      if (String(event.actorRef.id).startsWith("breaker.")) actors.add(event.actorRef as AnyActorRef);
    });
    const living = () => [...actors].filter((actor) => actor.getSnapshot().status === "active").length;
    const tabs: TestConnection[] = [];
    for (let index = 0; index < size; index += 1) {
      const tab = await world.open();
      tab.say({ type: "hello", token: "alice", from: "start" });
      tabs.push(tab);
    }
    await world.settle();
    const { runId } = await world.start();
    await world.settle();
    for (const tab of tabs) tab.say({ type: "ack", offset: 1 });
    const healthy = actors.size;
    const before = timers;
    await clock.advance(rounds * heartbeatMs);
    const quiet = timers - before;
    await world.publish(runId, 1, [note()]);
    await clock.advance(rounds * heartbeatMs);
    const failing = timers - before - quiet;
    const { open } = await counts(world);
    const troubled = living();
    for (const tab of tabs) tab.say({ type: "ack", offset: 2 });
    await world.settle();
    const healed = living();
    subscription.unsubscribe();
    return { healthy, quiet, failing, open, troubled, healed };
  }

  it("need no timer of their own and no actor while nothing fails; those that failed leave none behind", async () => {
    const few = await cost(10);
    const all = await cost(many);
    expect(all).toMatchObject({ healthy: 0, open: many, troubled: many, healed: 0 });
    expect(few).toMatchObject({ healthy: 0, open: 10, troubled: 10, healed: 0 });
    expect(all.quiet).toBe(few.quiet);
    expect(all.failing).toBe(few.failing);
  }, 60_000);
});
