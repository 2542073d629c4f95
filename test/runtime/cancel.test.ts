import { describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { completed, executing, suspended } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";
import type { RuntimeUnderTest } from "../support/runtime-under-test.ts";

const defaultDeadlineMs = 10_000;
const lateMs = 110;

const cancelAs =
  ({ call, parts, clock }: RuntimeUnderTest, user: string) =>
  (runId: string, body: { reason?: string; deadlineMs?: number } = {}) =>
    call(parts.service.cancel(userOf(user, clock.now()), undefined, asRunId(runId), body));

describe("a cancellation", () => {
  it("asks the run to stop, and ends it when it has not stopped by the deadline", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice", { from: "start" });
    const { runId } = await world.start();
    await world.publish(runId, 1, [executing("c1")]);
    await cancelAs(world, "alice")(runId, { reason: "enough" });
    await world.settle();
    expect(tab.events().at(-1)).toMatchObject({
      type: "cancel_requested",
      data: { by: "user", reason: "enough", deadlineMs: defaultDeadlineMs },
    });
    await world.clock.advance(defaultDeadlineMs - 1);
    expect(tab.events().at(-1)?.type).toBe("cancel_requested");
    await world.clock.advance(lateMs);
    expect(tab.events().slice(-2)).toMatchObject([
      { type: "tool_completed", data: { toolCallId: "c1", status: "cancelled" }, repaired: true },
      { type: "agent_cancelled", data: { by: "user", reason: "enough" } },
    ]);
  });

  it("changes nothing when it is asked for again, also at once", async () => {
    const world = await runtimeUnderTest();
    const { runId } = await world.start();
    const cancel = cancelAs(world, "alice");
    await Promise.all([cancel(runId), cancel(runId), cancel(runId)]);
    await cancel(runId, { deadlineMs: 0 });
    expect(await world.log.ledger()).toMatchObject({ accepted: 2 });
    await world.clock.advance(defaultDeadlineMs - lateMs);
    expect(await world.log.ledger()).toMatchObject({ accepted: 2 });
  });

  it("is refused by a runner that says so, and may be asked for anew", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice", { from: "start" });
    const { runId } = await world.start({ leaseMs: 3_600_000 });
    const cancel = cancelAs(world, "alice");
    await cancel(runId, { deadlineMs: 1_000 });
    await world.publish(runId, 1, [{ type: "cancel_refused", data: { reason: "nearly done" } }]);
    await world.clock.advance(20_000);
    expect(tab.events().at(-1)?.type).toBe("cancel_refused");
    await cancel(runId, { deadlineMs: 1_000 });
    await world.clock.advance(1_000 + lateMs);
    expect(tab.events().at(-1)?.type).toBe("agent_cancelled");
  });

  it("leaves a run alone that ends by itself in time", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice", { from: "start" });
    const { runId } = await world.start();
    await cancelAs(world, "alice")(runId);
    await world.publish(runId, 1, [completed]);
    await world.clock.advance(2 * defaultDeadlineMs);
    expect(tab.events().at(-1)?.type).toBe("agent_completed");
  });

  it("ends a run that waits for a human", async () => {
    const world = await runtimeUnderTest();
    const { runId } = await world.start();
    await world.publish(runId, 1, [suspended("p")]);
    await cancelAs(world, "alice")(runId, { deadlineMs: 500 });
    await world.clock.advance(500 + lateMs);
    await expect(world.publish(runId, 1, [completed])).rejects.toMatchObject({ _tag: "RunEnded", state: "cancelled" });
  });

  it("has its deadline also when the runner itself wrote the request", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice", { from: "start" });
    const { runId } = await world.start();
    await world.publish(runId, 1, [{ type: "cancel_requested", data: { by: "budget", deadlineMs: 2_000 } }]);
    await world.clock.advance(2_000 + lateMs);
    expect(tab.events().at(-1)).toMatchObject({ type: "agent_cancelled", data: { by: "budget" } });
  });

  it("is carried through by the process that comes after", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ log });
    const { runId } = await before.start();
    await cancelAs(before, "alice")(runId);
    const after = await runtimeUnderTest({ log, leaseMs: 30_000, graceMs: 30_000 });
    await after.clock.advance(30_000 + defaultDeadlineMs + 2 * lateMs);
    expect((await log.run("default" as never, asRunId(runId)))?.ended).toBe("cancelled");
  });

  it("is carried through when the log fails at the deadline", async () => {
    const log = faultyLog(memoryLog());
    const world = await runtimeUnderTest({ log });
    const { runId } = await world.start();
    await cancelAs(world, "alice")(runId, { deadlineMs: 1_000 });
    log.failAppend("before");
    await world.clock.advance(2_500 + defaultDeadlineMs);
    expect((await log.run("default" as never, asRunId(runId)))?.ended).toBe("cancelled");
  });

  it("is the owner's or a publisher's to ask for; to others the run does not exist", async () => {
    const world = await runtimeUnderTest();
    const { runId } = await world.start();
    await expect(cancelAs(world, "bob")(runId)).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(cancelAs(world, "alice@other")(runId)).rejects.toMatchObject({ _tag: "NotFound" });
    await world.call(world.parts.service.cancel(publisher, undefined, asRunId(runId), {}));
    await world.publish(runId, 1, [completed]);
    await expect(cancelAs(world, "alice")(runId)).rejects.toMatchObject({ _tag: "RunEnded", state: "completed" });
    await expect(cancelAs(world, "bob")(runId)).rejects.toMatchObject({ _tag: "NotFound" });
  });
});
