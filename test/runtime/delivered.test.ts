import { describe, expect, it } from "vitest";
import { asRunId, asTenantId } from "../../protocol/ids.ts";
import type { PublisherPrincipal } from "../../src/auth/principal.ts";
import { note } from "../support/events.ts";
import type { RuntimeUnderTest } from "../support/runtime-under-test.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

const ask =
  ({ call, parts }: RuntimeUnderTest, caller: PublisherPrincipal = publisher, tenant?: string) =>
  (runId: string, seq: number, ackWaitMs?: number) =>
    call(
      parts.service.delivered(caller, tenant === undefined ? undefined : asTenantId(tenant), asRunId(runId), {
        seq,
        ackWaitMs,
      }),
    );

describe("what became of an event of a run", () => {
  it("is counted: who was due, who was handed it, who acknowledged it", async () => {
    const world = await runtimeUnderTest();
    const tabs = [await world.connect("alice"), await world.connect("alice")];
    await world.connect("alice", { want: { types: ["x.other"] } });
    await world.connect("bob");
    const { runId } = await world.start();
    const { seq, offset } = await world.publish(runId, 1, [note()]);
    expect(await ask(world)(runId, seq)).toEqual({
      userId: "alice",
      eventType: "x.note",
      offset,
      connectionsAttempted: 2,
      successfulSends: 2,
      acknowledged: 0,
      errors: [],
    });
    tabs[0]?.say({ type: "ack", offset });
    expect(await ask(world)(runId, seq)).toMatchObject({ successfulSends: 2, acknowledged: 1 });
    expect(await ask(world)(runId, 1)).toMatchObject({ eventType: "agent_started", offset: 1, acknowledged: 1 });
  });

  it("counts by thread, as connections want them", async () => {
    const world = await runtimeUnderTest();
    await world.connect("alice", { want: { threads: ["t-1"] } });
    const mine = await world.start({ threadId: "t-1" });
    const other = await world.start({ threadId: "t-2" });
    expect(await ask(world)(mine.runId, 1)).toMatchObject({ connectionsAttempted: 1, successfulSends: 1 });
    expect(await ask(world)(other.runId, 1)).toMatchObject({ connectionsAttempted: 0, successfulSends: 0 });
  });

  it("names who did not get it, and why", async () => {
    const world = await runtimeUnderTest({ windowEvents: 1, leaseMs: 3_600_000, heartbeatMs: 1_000 });
    const tab = await world.connect("alice", { from: "start" });
    const { runId } = await world.start();
    const { seq } = await world.publish(runId, 1, [note()]);
    const connectionId = tab.of("welcome")[0]?.connectionId;
    expect((await ask(world)(runId, seq)).errors).toEqual([
      { connectionId, code: "not_sent", message: "its window is full: it reads on from the log" },
    ]);
    tab.say({ type: "ack", offset: 1 });
    await world.settle();
    await world.clock.advance(7_000);
    const { seq: last } = await world.publish(runId, 1, [note()]);
    expect((await ask(world)(runId, last)).errors).toMatchObject([{ connectionId, code: "breaker_open" }]);
  });

  it("waits for acks when it is asked to", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice");
    const { runId, offset } = await world.start();
    const counted = ask(world)(runId, 1, 5_000);
    await world.settle();
    tab.say({ type: "ack", offset });
    expect(await counted).toMatchObject({ acknowledged: 1 });
  });

  it("is told to admins of its tenant, about what there is", async () => {
    const world = await runtimeUnderTest();
    const { runId } = await world.start();
    await expect(ask(world)("nothing", 1)).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(ask(world)(runId, 2)).rejects.toMatchObject({ _tag: "NotFound", what: "event" });
    for (const seq of [0, -1, 1.5, Number.NaN])
      await expect(ask(world)(runId, seq)).rejects.toMatchObject({ _tag: "InvalidInput", path: "seq" });
    for (const waitMs of [-1, 10_001, Number.NaN])
      await expect(ask(world)(runId, 1, waitMs)).rejects.toMatchObject({ _tag: "InvalidInput", path: "ackWaitMs" });
    const bound = { ...publisher, tenants: [asTenantId("acme")] };
    await expect(ask(world, bound, "default")(runId, 1)).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(ask(world, { ...publisher, rights: ["publish"] })(runId, 1)).rejects.toMatchObject({
      _tag: "Forbidden",
    });
  });
});
