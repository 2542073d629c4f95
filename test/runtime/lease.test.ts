import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import type { Epoch } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { completed, delta, note, resumed, suspended, thinking } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const leaseMs = 10_000;
const graceMs = 5_000;
/** One tick of the deadline wheel, for each of the two deadlines. */
const lateMs = 110;
const options = { leaseMs, graceMs };

describe("a lease", () => {
  it("that its runner lets go makes the run stalled, and after the grace period interrupted", async () => {
    const { start, connect, clock } = await runtimeUnderTest(options);
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await clock.advance(leaseMs - 1);
    expect(tab.of("status")).toEqual([]);
    await clock.advance(lateMs);
    expect(tab.of("status")).toEqual([{ type: "status", run: { runId, stalled: true } }]);
    await clock.advance(graceMs - lateMs);
    expect(tab.events().map(({ type }) => type)).toEqual(["agent_started"]);
    await clock.advance(lateMs);
    expect(tab.events().at(-1)).toMatchObject({ type: "agent_interrupted", data: { reason: "lease_expired" }, runId });
  });

  it.each(["publish", "heartbeat"] as const)("is renewed by a %s, also when the run had stalled", async (by) => {
    const { start, publish, connect, clock, call, parts } = await runtimeUnderTest(options);
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    const renew = async () => {
      if (by === "publish") await publish(runId, 1, [note()]);
      else await call(parts.service.heartbeat(publisher, undefined, asRunId(runId), { fence: 1 }));
    };
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(leaseMs - 100);
      await renew();
    }
    expect(tab.of("status")).toEqual([]);
    await clock.advance(leaseMs + lateMs);
    await renew();
    expect(tab.of("status").map(({ run }) => run?.stalled)).toEqual([true, false]);
    await clock.advance(leaseMs - lateMs);
    expect(tab.of("status")).toHaveLength(2);
    await clock.advance(graceMs + 2 * lateMs);
    expect(tab.events().at(-1)?.type).toBe("agent_interrupted");
  });

  it("is not lost while its runner's word waits for the disk: a slow disk makes nobody silent", async () => {
    const log = memoryLog();
    let gate: PromiseWithResolvers<void> | undefined;
    const slow: typeof log = {
      ...log,
      append: async (append) => {
        await gate?.promise;
        return log.append(append);
      },
    };
    const { start, publish, connect, clock, settle } = await runtimeUnderTest({ ...options, log: slow });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    gate = Promise.withResolvers();
    const said = publish(runId, 1, [note()]);
    await clock.advance(3 * (leaseMs + graceMs));
    gate.resolve();
    await said;
    await settle();
    expect(tab.of("status")).toEqual([]);
    expect(tab.events().map(({ type }) => type)).toEqual(["agent_started", "x.note"]);
    await clock.advance(leaseMs + graceMs + 2 * lateMs);
    expect(tab.events().at(-1)?.type).toBe("agent_interrupted");
  });

  it("tells the runner how long it holds, and that it shall stop", async () => {
    const { start, clock, call, parts } = await runtimeUnderTest(options);
    const { runId } = await start();
    await clock.advance(4_000);
    const beat = () => call(parts.service.heartbeat(publisher, undefined, asRunId(runId), { fence: 1 }));
    expect(await beat()).toEqual({ leaseUntil: new Date(clock.now() + leaseMs).toISOString() });
    await call(parts.service.cancel(publisher, undefined, asRunId(runId), {}));
    expect(await beat()).toMatchObject({ cancelRequested: true });
  });

  it("has the length that its run was started with", async () => {
    const { start, connect, clock } = await runtimeUnderTest(options);
    const tab = await connect("alice", { from: "start" });
    await start({ leaseMs: 60_000 });
    await clock.advance(60_000 - lateMs);
    expect(tab.of("status")).toEqual([]);
    await clock.advance(2 * lateMs);
    expect(tab.of("status")).toHaveLength(1);
  });

  it("is not renewed by a runner that a newer one has shut out", async () => {
    const { start, publish, connect, clock, call, parts } = await runtimeUnderTest(options);
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await call(parts.service.claim(publisher, undefined, asRunId(runId)));
    for (let round = 0; round < 20; round += 1) {
      await clock.advance(1_000);
      await publish(runId, 1, [note()]).catch(() => {});
    }
    expect(tab.events().at(-1)?.type).toBe("agent_interrupted");
  });

  it("does not run while a human is asked", async () => {
    const { start, publish, connect, clock } = await runtimeUnderTest(options);
    const { runId } = await start();
    await publish(runId, 1, [suspended("p")]);
    await clock.advance(24 * 3_600_000);
    const tab = await connect("alice");
    expect(tab.of("snapshot")[0]?.runs).toMatchObject([{ state: "suspended" }]);
    expect(tab.of("snapshot")[0]?.runs[0]).not.toHaveProperty("stalled");
    expect(await publish(runId, 1, [resumed])).toMatchObject({ seq: 3 });
    await clock.advance(leaseMs + graceMs + 2 * lateMs);
    expect(tab.events().at(-1)?.type).toBe("agent_interrupted");
  });

  it("runs again once every human has answered: a runner that died meanwhile is found out (L16)", async () => {
    const { start, publish, connect, clock, call, parts } = await runtimeUnderTest(options);
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, [suspended("p", "q")]);
    const resolve = (approvalId: string) =>
      call(parts.service.resolveApproval(userOf("alice", clock.now()), undefined, approvalId, { decision: "approve" }));
    await clock.advance(100 * leaseMs);
    await resolve("p");
    await clock.advance(100 * leaseMs);
    expect(tab.of("status")).toEqual([]);
    await resolve("q");
    await clock.advance(leaseMs - 1);
    expect(tab.of("status")).toEqual([]);
    await clock.advance(graceMs + 2 * lateMs);
    expect(tab.events().at(-1)).toMatchObject({ type: "agent_interrupted", data: { reason: "lease_expired" } });
  });

  it("says nothing more once the run is over", async () => {
    const { start, publish, connect, clock } = await runtimeUnderTest(options);
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await clock.advance(leaseMs + lateMs);
    await publish(runId, 1, [completed]);
    const told = tab.of("status").length;
    await clock.advance(100 * leaseMs);
    expect(tab.of("status")).toHaveLength(told);
    expect(tab.events().at(-1)?.type).toBe("agent_completed");
  });

  it("shows a stalled run as stalled to who comes in, by snapshot or by cursor, as long as it is", async () => {
    const { start, publish, connect, clock } = await runtimeUnderTest(options);
    const { runId, epoch } = await start();
    await clock.advance(leaseMs + lateMs);
    const fresh = await connect("alice");
    expect(fresh.of("snapshot")[0]?.runs).toMatchObject([{ stalled: true }]);
    expect(fresh.of("status")).toEqual([]);
    const cursor = { epoch: epoch as Epoch, offset: 1 };
    const back = await connect("alice", { cursor });
    expect(back.of("status")).toEqual([{ type: "status", run: { runId, stalled: true } }]);
    await publish(runId, 1, [note()]);
    expect((await connect("alice", { cursor })).of("status")).toEqual([]);
    await clock.advance(leaseMs + graceMs + 2 * lateMs);
    expect((await connect("alice", { cursor })).of("status")).toEqual([]);
  });

  it("gives the runner its whole grace period also when the process itself has slept", async () => {
    const { start, connect, clock } = await runtimeUnderTest(options);
    const tab = await connect("alice", { from: "start" });
    await start();
    clock.jump(10 * leaseMs);
    await clock.advance(graceMs - lateMs);
    expect(tab.of("status")).toHaveLength(1);
    expect(tab.events().at(-1)?.type).toBe("agent_started");
  });
});

describe("an orphan", () => {
  it("is stalled and then interrupted by the process that comes after (L16)", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ ...options, log });
    const { runId } = await before.start();
    await before.publish(runId, 1, [thinking]);
    const after = await runtimeUnderTest({ ...options, log });
    const tab = await after.connect("alice", { from: "start" });
    await after.clock.advance(leaseMs + lateMs);
    expect(tab.of("status")).toEqual([{ type: "status", run: { runId, stalled: true } }]);
    await after.clock.advance(graceMs + lateMs);
    expect(tab.events().at(-1)).toMatchObject({ type: "agent_interrupted", runId, seq: 3 });
    expect(after.parts.service.stats()).toMatchObject({ livingRuns: 0, runsInterrupted: 1 });
  });

  it("goes on when its runner comes back in time", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ ...options, log });
    const { runId } = await before.start();
    const after = await runtimeUnderTest({ ...options, log });
    const tab = await after.connect("alice", { from: "start" });
    await after.clock.advance(leaseMs - 1_000);
    await after.publish(runId, 1, [thinking]);
    await after.clock.advance(leaseMs - 1_000);
    await after.publish(runId, 1, [completed]);
    await after.clock.advance(10 * leaseMs);
    expect(tab.events().map(({ type }) => type)).toEqual(["agent_started", "agent_thinking", "agent_completed"]);
    expect(tab.of("status")).toEqual([]);
  });

  it("that waits for a human goes on waiting", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ ...options, log });
    const { runId } = await before.start();
    await before.publish(runId, 1, [suspended("p")]);
    const after = await runtimeUnderTest({ ...options, log });
    await after.clock.advance(100 * leaseMs);
    expect(await after.publish(runId, 1, [resumed, completed])).toMatchObject({ seq: 4 });
  });

  it("is found among more than one page of them, and told to who asks", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ ...options, log });
    const count = 1_050;
    await Promise.all(Array.from({ length: count }, () => before.start()));
    const after = await runtimeUnderTest({ ...options, log });
    await after.clock.advance(leaseMs + graceMs + 2 * lateMs);
    expect(after.parts.service.stats().runsInterrupted).toBe(count);
    expect((await log.runs({ living: true, limit: 1 })).runs).toEqual([]);
  });

  it("keeps no door shut: who comes in at once is served while the store is looked through", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ ...options, log });
    await before.start();
    let letRead = (): void => {};
    const mayRead = new Promise<void>((resolve) => {
      letRead = resolve;
    });
    const slow = { ...log, runs: (query: Parameters<typeof log.runs>[0]) => mayRead.then(() => log.runs(query)) };
    const clock = manualClock();
    const parts = makeRuntime({ ...options, log: slow, clock, authenticate: async (token) => userOf(token, 0) });
    const orphans: string[] = [];
    const lookedThrough = parts.start(({ runId }) => void orphans.push(runId));
    expect(parts.service.state()).toBe("accepting");
    const body = { userId: "alice", agent: "a", runId: "here" };
    await Effect.runPromise(parts.service.startRun(publisher, body));
    letRead();
    await lookedThrough;
    // What began here is no orphan.
    expect(orphans).toHaveLength(1);
    expect(orphans).not.toContain("here");
  });

  it("is not brought back before it must be ended, and then a few at a time", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ ...options, log });
    const count = 200;
    await Promise.all(Array.from({ length: count }, () => before.start()));
    const after = await runtimeUnderTest({ ...options, log });
    const most = { living: 0 };
    log.watch(() => {
      most.living = Math.max(most.living, after.parts.service.stats().livingRuns);
    });
    await after.clock.advance(leaseMs + graceMs - lateMs);
    expect(after.parts.service.stats().livingRuns).toBe(0);
    await after.clock.advance(3 * lateMs);
    expect(after.parts.service.stats().runsInterrupted).toBe(count);
    expect(most.living).toBeLessThan(count / 2);
  });

  it("that another process serves is left to it", async () => {
    const log = memoryLog();
    const one = await runtimeUnderTest({ ...options, log });
    const two = await runtimeUnderTest({ ...options, log });
    const tab = await two.connect("alice", { from: "start" });
    const { runId } = await one.start();
    // Found by the next sweep, and heard of again before each of its leases is over.
    for (let passedMs = 0; passedMs < 10 * leaseMs; passedMs += leaseMs / 2) {
      await one.publish(runId, 1, [note()]);
      await one.clock.advance(leaseMs / 2);
      await two.clock.advance(leaseMs / 2);
    }
    expect(tab.of("status")).toEqual([]);
    expect(tab.events().every(({ type }) => type === "agent_started" || type === "x.note")).toBe(true);
    // Its process dies without a word.
    await two.clock.advance(30_000 + 2 * leaseMs + graceMs + 3 * lateMs);
    expect(tab.events().at(-1)).toMatchObject({ type: "agent_interrupted", runId });
  });

  it("is interrupted also when the log does not answer at first", async () => {
    const log = faultyLog(memoryLog());
    const before = await runtimeUnderTest({ ...options, log });
    const { runId } = await before.start();
    const after = await runtimeUnderTest({ ...options, log });
    log.setDown(true);
    await after.clock.advance(3 * leaseMs);
    log.setDown(false);
    await after.clock.advance(leaseMs + graceMs + 2_000);
    expect((await log.run("default" as never, asRunId(runId)))?.ended).toBe("interrupted");
  });
});

describe("a run whose write failed", () => {
  it("is still watched when its runner never comes back (L16)", async () => {
    for (const fault of ["before", "after"] as const) {
      const log = faultyLog(memoryLog());
      const { start, publish, clock } = await runtimeUnderTest({ ...options, log });
      const { runId } = await start();
      log.failAppend(fault);
      await expect(publish(runId, 1, [delta("x")])).rejects.toMatchObject({ _tag: "LogUnavailable" });
      await clock.advance(1_000 + leaseMs + graceMs + 3 * lateMs);
      expect((await log.run("default" as never, asRunId(runId)))?.ended).toBe("interrupted");
    }
  });

  it("gets its interruption also when that is what failed", async () => {
    const log = faultyLog(memoryLog());
    const { start, clock } = await runtimeUnderTest({ ...options, log });
    const { runId } = await start();
    await clock.advance(leaseMs + lateMs);
    log.setDown(true);
    await clock.advance(60_000);
    log.setDown(false);
    await clock.advance(2_000 + graceMs + 2 * lateMs);
    expect((await log.run("default" as never, asRunId(runId)))?.ended).toBe("interrupted");
  });

  it("is watched also when it is not known whether it was made", async () => {
    const log = faultyLog(memoryLog());
    const { start, clock } = await runtimeUnderTest({ ...options, log });
    log.failAppend("after");
    await expect(start({ runId: "r1" })).rejects.toMatchObject({ _tag: "LogUnavailable" });
    await clock.advance(1_000 + leaseMs + graceMs + 3 * lateMs);
    expect((await log.run("default" as never, asRunId("r1")))?.ended).toBe("interrupted");
  });
});
