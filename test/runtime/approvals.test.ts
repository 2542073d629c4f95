import { describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import { failed, resumed, suspended } from "../support/events.ts";
import { publisher, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";
import type { RuntimeUnderTest } from "../support/runtime-under-test.ts";

const resolveAs =
  ({ call, parts, clock }: RuntimeUnderTest, user: string) =>
  (approvalId: string, decision: "approve" | "deny" = "approve", data?: unknown) =>
    call(
      parts.service.resolveApproval(userOf(user, clock.now()), undefined, approvalId, {
        decision,
        ...(data !== undefined && { data }),
      }),
    );

async function waiting(...approvalIds: readonly string[]) {
  const world = await runtimeUnderTest();
  const tab = await world.connect("alice", { from: "start" });
  const { runId } = await world.start();
  await world.publish(runId, 1, [suspended(...approvalIds)]);
  return { ...world, world, tab, runId, resolve: resolveAs(world, "alice") };
}

describe("an approval", () => {
  it("is answered by its owner, and the answer is an event", async () => {
    const { resolve, tab, settle } = await waiting("p");
    expect(await resolve("p", "deny", { why: "too dear" })).toEqual({ approvalId: "p", decision: "deny", by: "user" });
    await settle();
    expect(tab.events().at(-1)).toMatchObject({
      type: "approval_resolved",
      data: { approvalId: "p", decision: "deny", by: "user", data: { why: "too dear" } },
    });
  });

  it("keeps its first answer, and tells it to who comes second", async () => {
    const { resolve } = await waiting("p");
    await resolve("p", "approve");
    await expect(resolve("p", "deny")).rejects.toMatchObject({
      _tag: "AlreadyResolved",
      resolution: { decision: "approve", by: "user" },
    });
  });

  it("keeps its first answer also when two devices answer at once", async () => {
    const { resolve, tab, settle } = await waiting("p");
    const answers = await Promise.allSettled([resolve("p", "approve"), resolve("p", "deny"), resolve("p", "deny")]);
    expect(answers.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
    await settle();
    const decided = tab.events().filter(({ type }) => type === "approval_resolved");
    expect(decided).toHaveLength(1);
    const { decision } = (decided[0]?.data ?? {}) as { decision?: string };
    for (const answer of answers)
      if (answer.status === "rejected")
        expect(answer.reason).toMatchObject({ _tag: "AlreadyResolved", resolution: { decision } });
  });

  it("is answered late with the answer that it had", async () => {
    const { resolve, publish, runId } = await waiting("p", "q");
    await resolve("p", "deny");
    await publish(runId, 1, [resumed]);
    await expect(resolve("p")).rejects.toMatchObject({ _tag: "AlreadyResolved", resolution: { decision: "deny" } });
    // Nobody asks any more.
    await expect(resolve("q")).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await publish(runId, 1, [failed]);
    await expect(resolve("p")).rejects.toMatchObject({ _tag: "AlreadyResolved", resolution: { decision: "deny" } });
    await expect(resolve("q")).rejects.toMatchObject({ _tag: "RunEnded", state: "failed" });
  });

  it("may be answered by a publisher, whose name stands in the answer", async () => {
    const { call, parts } = await waiting("p");
    const answer = await call(parts.service.resolveApproval(publisher, undefined, "p", { decision: "approve" }));
    expect(answer).toEqual({ approvalId: "p", decision: "approve", by: "key:test" });
  });

  it("does not exist for anybody else, nor before it is asked for", async () => {
    const { world } = await waiting("p");
    await expect(resolveAs(world, "bob")("p")).rejects.toMatchObject({ _tag: "NotFound", what: "approval" });
    await expect(resolveAs(world, "alice@other")("p")).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(resolveAs(world, "alice")("q")).rejects.toMatchObject({ _tag: "NotFound", what: "approval" });
  });

  it("of the same name in another user's run is another approval", async () => {
    const { world, resolve } = await waiting("p");
    const { runId } = await world.start({ userId: "bob" });
    await world.publish(runId, 1, [suspended("p")]);
    expect(await resolve("p", "approve")).toMatchObject({ decision: "approve" });
    expect(await resolveAs(world, "bob")("p", "deny")).toMatchObject({ decision: "deny" });
  });

  it("is answered to the process that comes after", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ log });
    const { runId } = await before.start();
    await before.publish(runId, 1, [suspended("p", "q")]);
    await resolveAs(before, "alice")("p", "deny");
    const after = await runtimeUnderTest({ log });
    await expect(resolveAs(after, "alice")("p")).rejects.toMatchObject({
      _tag: "AlreadyResolved",
      resolution: { decision: "deny", by: "user" },
    });
    expect(await resolveAs(after, "alice")("q")).toMatchObject({ decision: "approve" });
  });
});
