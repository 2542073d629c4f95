import { describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { executed, executing, note, resumed, suspended, thinking } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import type { RuntimeUnderTest } from "../support/runtime-under-test.ts";
import { publisher, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

/** One tick of the deadline wheel, for each of two deadlines. */
const lateMs = 110;
const expiryMs = 60_000;
const leaseMs = 10_000;
const graceMs = 5_000;

const asking = (clock: RuntimeUnderTest["clock"], approvalId: string, afterMs = expiryMs) =>
  ({
    type: "agent_suspended",
    data: { reason: "asks", approvals: [{ approvalId, expiresAt: new Date(clock.now() + afterMs).toISOString() }] },
  }) as const;
const resolve = ({ call, parts, clock }: RuntimeUnderTest, approvalId: string) =>
  call(parts.service.resolveApproval(userOf("alice", clock.now()), undefined, approvalId, { decision: "approve" }));
const last = ({ log }: RuntimeUnderTest, runId: string) =>
  log
    .readRun("default" as never, asRunId(runId), 0, { maxEvents: 100, maxBytes: 1e6 })
    .then((events) => events.map(({ type, data }) => ({ type, data: JSON.parse(data) })).at(-1));

describe("an approval with an expiry", () => {
  it("is denied when nobody answers in time, and whoever comes later is told so", async () => {
    const world = await runtimeUnderTest({ leaseMs, graceMs });
    const { runId } = await world.start();
    await world.publish(runId, 1, [asking(world.clock, "p")]);
    await world.clock.advance(expiryMs - 1);
    expect(await last(world, runId)).toMatchObject({ type: "agent_suspended" });
    await world.clock.advance(lateMs);
    const denied = { approvalId: "p", decision: "deny", by: "expiry" };
    expect(await last(world, runId)).toEqual({ type: "approval_resolved", data: denied });
    await expect(resolve(world, "p")).rejects.toMatchObject({
      _tag: "AlreadyResolved",
      resolution: { decision: "deny", by: "expiry" },
    });
  });

  it("gives its runner a whole lease to take the answer up, and no more", async () => {
    const world = await runtimeUnderTest({ leaseMs, graceMs });
    const { runId } = await world.start();
    await world.publish(runId, 1, [asking(world.clock, "p")]);
    await world.clock.advance(expiryMs + leaseMs - lateMs);
    const view = await world.call(world.parts.service.run(publisher, undefined, asRunId(runId)));
    expect(view).not.toHaveProperty("stalled");
    await world.clock.advance(graceMs + 3 * lateMs);
    expect(await last(world, runId)).toMatchObject({ type: "agent_interrupted" });
  });

  it("keeps the answer that it had", async () => {
    const world = await runtimeUnderTest({ leaseMs: 10 * expiryMs });
    const { runId } = await world.start();
    await world.publish(runId, 1, [asking(world.clock, "p")]);
    await resolve(world, "p");
    await world.clock.advance(2 * expiryMs);
    expect(await last(world, runId)).toMatchObject({ data: { approvalId: "p", decision: "approve" } });
  });

  it("is nobody's business any more once the run goes on", async () => {
    const world = await runtimeUnderTest({ leaseMs: 10 * expiryMs });
    const { runId } = await world.start();
    await world.publish(runId, 1, [asking(world.clock, "p"), resumed]);
    await world.clock.advance(2 * expiryMs);
    expect(await last(world, runId)).toMatchObject({ type: "agent_resumed" });
    expect((await world.publish(runId, 1, [note()])).seq).toBe(4);
  });

  it("expires for the process that comes after, too", async () => {
    const log = memoryLog();
    const clock = manualClock();
    const before = await runtimeUnderTest({ log, clock, leaseMs, graceMs });
    const { runId } = await before.start();
    await before.publish(runId, 1, [asking(clock, "p")]);
    const after = await runtimeUnderTest({ log, leaseMs, graceMs });
    await after.clock.advance(expiryMs + lateMs);
    expect(await last(after, runId)).toMatchObject({ type: "approval_resolved", data: { by: "expiry" } });
  });

  it("expires also when the log is silent at that moment", async () => {
    const log = faultyLog(memoryLog());
    const world = await runtimeUnderTest({ log, leaseMs, graceMs });
    const { runId } = await world.start();
    await world.publish(runId, 1, [asking(world.clock, "p")]);
    log.failAppend("before");
    await world.clock.advance(expiryMs + 2_000 + lateMs);
    expect(await last(world, runId)).toMatchObject({ type: "approval_resolved", data: { by: "expiry" } });
  });
});

describe("a suspension that asks only what was answered", () => {
  it("waits for nobody: a runner that died in it is found out (L16)", async () => {
    const world = await runtimeUnderTest({ leaseMs, graceMs });
    const { runId } = await world.start();
    await world.publish(runId, 1, [suspended("p")]);
    await resolve(world, "p");
    await world.publish(runId, 1, [resumed, suspended("p")]);
    await world.clock.advance(leaseMs + graceMs + 2 * lateMs);
    expect(await last(world, runId)).toMatchObject({ type: "agent_interrupted", data: { reason: "lease_expired" } });
  });
});

describe("a run with a time limit", () => {
  const deadlineMs = 30_000;

  it("is interrupted when it is over, however busy its runner is", async () => {
    const world = await runtimeUnderTest({ leaseMs, graceMs });
    const { runId } = await world.start({ deadlineMs });
    for (let passedMs = 0; passedMs < deadlineMs - 1_000; passedMs += 1_000) {
      await world.clock.advance(1_000);
      await world.publish(runId, 1, [thinking]);
    }
    expect(await last(world, runId)).toMatchObject({ type: "agent_thinking" });
    await world.publish(runId, 1, [executing("c")]);
    await world.clock.advance(1_000 + lateMs);
    expect(await last(world, runId)).toEqual({ type: "agent_interrupted", data: { reason: "deadline" } });
    await expect(world.publish(runId, 1, [executed("c")])).rejects.toMatchObject({ _tag: "RunEnded" });
  });

  it("does not use it up while a human is asked", async () => {
    const world = await runtimeUnderTest({ leaseMs: 10 * deadlineMs });
    const { runId } = await world.start({ deadlineMs });
    await world.clock.advance(10_000);
    await world.publish(runId, 1, [suspended("p")]);
    await world.clock.advance(5 * deadlineMs);
    await resolve(world, "p");
    await world.clock.advance(deadlineMs - 10_000 - lateMs);
    expect(await last(world, runId)).toMatchObject({ type: "approval_resolved" });
    await world.clock.advance(2 * lateMs);
    expect(await last(world, runId)).toMatchObject({ data: { reason: "deadline" } });
  });

  it("has the same limit for the process that comes after", async () => {
    const log = memoryLog();
    const clock = manualClock();
    const before = await runtimeUnderTest({ log, clock, leaseMs: 10 * deadlineMs });
    const { runId } = await before.start({ deadlineMs });
    await clock.advance(20_000);
    const after = await runtimeUnderTest({ log, clock, leaseMs: 10 * deadlineMs });
    await after.publish(runId, 1, [note()]);
    await clock.advance(10_000 - lateMs);
    expect(await last(after, runId)).toMatchObject({ type: "x.note" });
    await clock.advance(2 * lateMs);
    expect(await last(after, runId)).toMatchObject({ data: { reason: "deadline" } });
  });
});

describe("a request to stop", () => {
  it("has the deadline that it was made with also for the process that comes after", async () => {
    const log = memoryLog();
    const clock = manualClock();
    const before = await runtimeUnderTest({ log, clock });
    const { runId } = await before.start();
    await before.call(before.parts.service.cancel(publisher, undefined, asRunId(runId), { deadlineMs: 60_000 }));
    const after = await runtimeUnderTest({ log, clock });
    await after.publish(runId, 1, [note()]);
    await clock.advance(60_000 - lateMs);
    expect(await last(after, runId)).toMatchObject({ type: "x.note" });
    await clock.advance(2 * lateMs);
    expect(await last(after, runId)).toMatchObject({ type: "agent_cancelled", data: { by: "key:test" } });
  });

  it("reaches the child runs, their children, and a child that is made after it", async () => {
    const world = await runtimeUnderTest();
    const parent = await world.start({ runId: "parent" });
    await world.start({ runId: "child", parentRunId: "parent" });
    await world.start({ runId: "grandchild", parentRunId: "child" });
    const body = { reason: "enough", deadlineMs: 2_000 };
    await world.call(world.parts.service.cancel(publisher, undefined, asRunId(parent.runId), body));
    await world.start({ runId: "late", parentRunId: "parent" });
    await world.settle();
    for (const runId of ["child", "grandchild"])
      expect(await last(world, runId)).toMatchObject({ type: "cancel_requested", data: { by: "key:test", ...body } });
    expect(await last(world, "late")).toMatchObject({ type: "cancel_requested", data: { by: "parent" } });
    await world.clock.advance(2_000 + lateMs);
    for (const runId of ["parent", "child", "grandchild"])
      expect(await last(world, runId)).toMatchObject({ type: "agent_cancelled" });
  });
});

describe("a child run", () => {
  it("is asked to stop when its parent ends without it", async () => {
    const world = await runtimeUnderTest();
    const { runId } = await world.start();
    await world.start({ runId: "child", parentRunId: runId });
    await world.publish(runId, 1, [{ type: "agent_failed", data: { error: { code: "c", message: "m" } } }]);
    await world.settle();
    expect(await last(world, "child")).toMatchObject({
      type: "cancel_requested",
      data: { by: "parent", reason: "the parent run is failed" },
    });
  });
});
