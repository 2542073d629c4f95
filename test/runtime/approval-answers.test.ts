import { describe, expect, it } from "vitest";
import type { Append } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { faultyLog } from "../../src/testing/world/faulty-log.ts";
import { suspended } from "../support/events.ts";
import { runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

async function world(...approvalIds: readonly string[]) {
  const appends: Append[] = [];
  const memory = memoryLog();
  const log = faultyLog({
    ...memory,
    append: (append) => {
      appends.push(append);
      return memory.append(append);
    },
  });
  const made = await runtimeUnderTest({ log });
  const { runId } = await made.start({ leaseMs: 5_000 });
  await made.publish(runId, 1, [suspended(...approvalIds)]);
  const resolve = (approvalId: string, decision: "approve" | "deny") =>
    made.call(
      made.parts.service.resolveApproval(userOf("alice", made.clock.now()), undefined, approvalId, { decision }),
    );
  return { ...made, log, appends, runId, resolve };
}

describe("an approval's answer", () => {
  it("is what the second hears whose word comes while the first is being written", async () => {
    const { log, resolve, settle } = await world("p");
    const release = log.holdWrites();
    const first = resolve("p", "approve");
    await settle();
    const second = resolve("p", "deny");
    second.catch(() => {});
    await settle();
    release();
    expect(await first).toMatchObject({ decision: "approve" });
    await expect(second).rejects.toMatchObject({ _tag: "AlreadyResolved", resolution: { decision: "approve" } });
  });

  it("has no data when none was given", async () => {
    const { resolve, appends } = await world("p");
    await resolve("p", "approve");
    const event = appends.at(-1)?.events[0];
    expect(JSON.parse(event?.data ?? "")).toEqual({ approvalId: "p", decision: "approve", by: "user" });
  });

  it("finds the approvals that were asked for, and no other", async () => {
    const { appends, publish, runId } = await world("p", "q");
    expect(appends.map(({ run }) => run?.approvals ?? [])).toEqual([[], ["p", "q"]]);
    await publish(runId, 1, [
      { type: "agent_resumed", data: {} },
      suspended("r"),
      { type: "agent_resumed", data: {} },
      suspended("s"),
    ]);
    expect(appends.at(-1)?.run?.approvals).toEqual(["r", "s"]);
  });

  it("gives the runner a whole lease from then on (L16)", async () => {
    const { resolve, clock, connect, settle } = await world("p");
    const tab = await connect("alice", { from: "start" });
    await clock.advance(64_900);
    await resolve("p", "approve");
    await clock.advance(4_900);
    await settle();
    expect(tab.of("status")).toEqual([]);
    await clock.advance(200);
    await settle();
    expect(tab.of("status")).toMatchObject([{ run: { stalled: true } }]);
  });
});
