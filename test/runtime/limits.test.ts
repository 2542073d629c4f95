import { describe, expect, it } from "vitest";
import { asTenantId } from "../../protocol/ids.ts";
import { application } from "../../src/auth/principal.ts";
import { publisher, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

/** One a second, so ten at once. */
const tight = {
  connectionsPerSecond: 1,
  framesPerSecond: 1,
  commandsPerSecond: 1,
  eventsPerSecond: 1,
  runsPerSecond: 1,
} as const;
const tiers = { tiers: { enterprise: tight } };
const thinking = (count: number) => Array.from({ length: count }, () => ({ type: "agent_thinking", data: {} }));

describe("the limits of a user", () => {
  it("send away who connects too often, with the time to come back, and let others in", async () => {
    const { connect, clock, parts } = await runtimeUnderTest({ tiers });
    const sent: number[] = [];
    for (let turn = 0; turn < 12; turn += 1) {
      const tab = await connect("alice");
      if (tab.transport.ended) {
        expect(tab.transport.ended).toEqual({ code: 4429, reason: "too many connections" });
        expect(tab.frames).toEqual([{ type: "goodbye", reason: "rate_limited", retryAfterMs: expect.any(Number) }]);
        sent.push(turn);
      }
    }
    expect(sent).toEqual([10, 11]);
    expect((await connect("bob")).of("welcome")).toHaveLength(1);
    await clock.advance(1_000);
    expect((await connect("alice")).of("welcome")).toHaveLength(1);
    expect(parts.service.figures().refusals.get("connectionsPerSecond")).toBe(2);
  });

  it("refuse before the upgrade who is known by then", async () => {
    const { open, clock } = await runtimeUnderTest({ tiers });
    const principal = userOf("alice", clock.now());
    for (let turn = 0; turn < 10; turn += 1) await open({ principal });
    await expect(open({ principal })).rejects.toMatchObject({
      _tag: "TooMany",
      limit: "connectionsPerSecond",
      retryAfterMs: 1_000,
    });
  });

  it("count the frames of all the user's connections together", async () => {
    const { connect, clock } = await runtimeUnderTest({ tiers });
    const [one, two, other] = [await connect("alice"), await connect("alice"), await connect("bob")];
    for (let turn = 0; turn < 5; turn += 1) {
      expect(one.connection.admitsFrame()).toBe(true);
      expect(two.connection.admitsFrame()).toBe(true);
    }
    expect(one.connection.admitsFrame()).toBe(false);
    expect(one.of("goodbye")).toEqual([{ type: "goodbye", reason: "rate_limited", retryAfterMs: 1_000 }]);
    expect(one.transport.ended).toEqual({ code: 4429, reason: "too many frames" });
    expect(other.connection.admitsFrame()).toBe(true);
    await clock.advance(1_000);
    expect(two.connection.admitsFrame()).toBe(true);
  });

  it("answer commands above the rate with the time to come back", async () => {
    const { connect, settle, clock } = await runtimeUnderTest({ tiers, onCommand: async () => ({ done: true }) });
    const tab = await connect("alice");
    const ask = async (ref: number) => {
      tab.say({ type: "command", ref, name: "send_message", data: {} });
      await settle();
      return tab.of("reply").at(-1);
    };
    for (let ref = 0; ref < 10; ref += 1) expect(await ask(ref)).toMatchObject({ ref, ok: true });
    expect(await ask(10)).toEqual({
      type: "reply",
      ref: 10,
      ok: false,
      error: { code: "too_many", message: expect.stringContaining("commands of this user"), retryAfterMs: 1_000 },
    });
    await clock.advance(1_000);
    expect(await ask(11)).toMatchObject({ ok: true });
    expect(tab.transport.ended).toBeUndefined();
  });

  it("hold their calls over HTTP to the same rates", async () => {
    const { parts, call, start, clock } = await runtimeUnderTest({ tiers });
    const alice = userOf("alice", clock.now());
    const run = await start();
    const cancel = () => call(parts.service.cancel(alice, undefined, run.runId as never, { deadlineMs: 600_000 }));
    for (let turn = 0; turn < 10; turn += 1) await cancel();
    await expect(cancel()).rejects.toMatchObject({ limit: "commandsPerSecond" });
    const approve = call(parts.service.resolveApproval(alice, undefined, "a", { decision: "deny" }));
    await expect(approve).rejects.toMatchObject({ limit: "commandsPerSecond" });
    const ack = () => call(parts.service.ack(alice, "nobody" as never, 0));
    for (let turn = 0; turn < 10; turn += 1) await expect(ack()).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(ack()).rejects.toMatchObject({ limit: "framesPerSecond" });
  });

  it("are those of the tier that the token claims, also for the oldest connection that goes", async () => {
    const { open, settle, clock } = await runtimeUnderTest({ tiers: { tiers: { free: { connections: 2 } } } });
    const tabs = [];
    for (let turn = 0; turn < 3; turn += 1) {
      const tab = await open({ principal: { ...userOf("alice", clock.now()), tier: "free" } });
      tab.say({ type: "hello" });
      await settle();
      tabs.push(tab);
    }
    expect(tabs.map(({ transport }) => transport.ended?.code)).toEqual([4409, undefined, undefined]);
  });

  it("set the window that the welcome tells", async () => {
    const { connect, start } = await runtimeUnderTest({ tiers: { tiers: { enterprise: { windowEvents: 2 } } } });
    const tab = await connect("alice", { from: "now" });
    for (let turn = 0; turn < 5; turn += 1) await start();
    expect(tab.of("welcome")[0]?.windowEvents).toBe(2);
    expect(tab.events()).toHaveLength(2);
  });
});

describe("the limits of publishers", () => {
  it("hold what is published for a user to the user's tier, all or nothing", async () => {
    const { start, publish, clock, log } = await runtimeUnderTest({ tiers });
    const run = await start();
    await publish(run.runId, run.fence, thinking(8));
    await expect(publish(run.runId, run.fence, thinking(3))).rejects.toMatchObject({
      limit: "eventsPerSecond",
      retryAfterMs: 1_000,
    });
    expect((await log.run("default" as never, run.runId as never))?.seq).toBe(9);
    await clock.advance(1_000);
    await publish(run.runId, run.fence, thinking(3));
    const other = await start({ userId: "bob" });
    await publish(other.runId, other.fence, thinking(10));
  });

  it("let a batch through that is larger than all that may come at once, and then nothing for as long as it costs", async () => {
    const { start, publish, clock } = await runtimeUnderTest({ tiers });
    const run = await start();
    await publish(run.runId, run.fence, thinking(30));
    await expect(publish(run.runId, run.fence, thinking(1))).rejects.toMatchObject({ retryAfterMs: 21_000 });
    await clock.advance(21_000);
    await publish(run.runId, run.fence, thinking(1));
  });

  it("hold a key to its own rates, whoever it publishes for", async () => {
    const { start, parts, call } = await runtimeUnderTest({
      tiers: { perKey: { runsPerSecond: 1, eventsPerSecond: 1 } },
    });
    for (let turn = 0; turn < 10; turn += 1) await start({ userId: `user-${turn}` });
    await expect(start({ userId: "another" })).rejects.toMatchObject({ limit: "keyRunsPerSecond" });
    const other = { ...publisher, name: "other" };
    await call(parts.service.startRun(other, { userId: "alice", agent: "tester" }));
    const notice = { userId: "alice", type: "x.note", data: {} };
    for (let turn = 0; turn < 10; turn += 1) await call(parts.service.notify(publisher, notice));
    await expect(call(parts.service.notify(publisher, notice))).rejects.toMatchObject({ limit: "keyEventsPerSecond" });
  });

  it("hold the runs that start for a user to the user's tier", async () => {
    const { start } = await runtimeUnderTest({ tiers });
    for (let turn = 0; turn < 10; turn += 1) await start();
    await expect(start()).rejects.toMatchObject({ limit: "runsPerSecond", retryAfterMs: 1_000 });
    await start({ userId: "bob" });
  });

  it("do not hold back the application that embeds the runtime", async () => {
    const { parts, call } = await runtimeUnderTest({ tiers });
    const notice = { userId: "alice", type: "x.note", data: {} };
    for (let turn = 0; turn < 50; turn += 1) await call(parts.service.notify(application, notice));
    expect(parts.service.figures().refusals.size).toBe(0);
  });
});

describe("the deadline of a tier", () => {
  it("bounds the life of runs that name none, and of those that name more", async () => {
    const { start, log } = await runtimeUnderTest({ tiers: { tiers: { enterprise: { deadlineMs: 60_000 } } } });
    const deadlineOf = async (deadlineMs?: number) => {
      const { runId } = await start(deadlineMs === undefined ? {} : { deadlineMs });
      return (await log.run(asTenantId("default"), runId as never))?.deadlineMs;
    };
    expect([await deadlineOf(), await deadlineOf(30_000), await deadlineOf(90_000)]).toEqual([60_000, 30_000, 60_000]);
  });
});
