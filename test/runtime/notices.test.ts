import { describe, expect, it } from "vitest";
import type { NoticeBody } from "../../protocol/http.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { note } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";
import type { RuntimeUnderTest } from "../support/runtime-under-test.ts";

const notifyIn =
  ({ call, parts }: Pick<RuntimeUnderTest, "call" | "parts">) =>
  (body: Partial<NoticeBody> = {}) =>
    call(parts.service.notify(publisher, { userId: "alice", type: "x.mail", data: { n: 1 }, ...body }));

describe("a notice", () => {
  it("is an event of the user that belongs to no run", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice", { from: "start" });
    const answer = await notifyIn(world)();
    expect(answer).toEqual({
      userId: "alice",
      eventType: "x.mail",
      offset: 1,
      connectionsAttempted: 1,
      successfulSends: 1,
      acknowledged: 0,
      errors: [],
    });
    expect(tab.events()).toMatchObject([{ type: "x.mail", offset: 1, data: { n: 1 } }]);
    expect(tab.events()[0]).not.toHaveProperty("runId");
    expect(tab.events()[0]).not.toHaveProperty("seq");
  });

  it("counts as one accepted event, however often it is repeated under its key", async () => {
    const world = await runtimeUnderTest();
    await notifyIn(world)({ key: "mail-1" });
    await notifyIn(world)({ key: "mail-1" });
    expect(world.parts.service.stats()).toMatchObject({ eventsAccepted: 1 });
  });

  it("counts nobody when nobody is there, and is kept for who comes", async () => {
    const world = await runtimeUnderTest();
    await world.connect("bob");
    const answer = await notifyIn(world)();
    expect(answer).toMatchObject({ connectionsAttempted: 0, successfulSends: 0, acknowledged: 0, errors: [] });
    const tab = await world.connect("alice", { from: "start" });
    expect(tab.events()).toHaveLength(1);
  });

  it("counts who was tried, who got it and who could not take it", async () => {
    const world = await runtimeUnderTest({ windowEvents: 1 });
    const blocked = await world.connect("alice", { from: "start" });
    const { runId } = await world.start();
    await world.publish(runId, 1, [note(), note()]);
    await world.settle();
    const ready = await world.connect("alice", { from: "now" });
    const answer = await notifyIn(world)();
    expect(answer).toMatchObject({ connectionsAttempted: 2, successfulSends: 1 });
    expect(answer.errors).toMatchObject([{ connectionId: blocked.of("welcome")[0]?.connectionId, code: "not_sent" }]);
    expect(ready.events()).toHaveLength(1);
  });

  it("counts a socket that took nothing as an error", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice", { from: "now" });
    tab.transport.gone = true;
    expect(await notifyIn(world)()).toMatchObject({
      connectionsAttempted: 1,
      successfulSends: 0,
      errors: [{ code: "gone" }],
    });
  });

  it("does not try a tab whose filter shuts it out", async () => {
    const world = await runtimeUnderTest();
    await world.connect("alice", { want: { types: ["agent_delta"] } });
    await world.connect("alice", { want: { threads: ["t1"] } });
    await world.connect("alice", { want: { types: ["x.mail"] } });
    expect(await notifyIn(world)()).toMatchObject({ connectionsAttempted: 1, successfulSends: 1, errors: [] });
  });

  it("waits for acks as long as it was asked to, and no longer than needed", async () => {
    const world = await runtimeUnderTest();
    const tabs = [await world.connect("alice"), await world.connect("alice")];
    const early = notifyIn(world)({ ackWaitMs: 10_000 });
    await world.settle();
    for (const tab of tabs) tab.say({ type: "ack", offset: 1 });
    expect(await early).toMatchObject({ successfulSends: 2, acknowledged: 2 });
    const late = notifyIn(world)({ ackWaitMs: 1_000 });
    await world.settle();
    tabs[0]?.say({ type: "ack", offset: 2 });
    await world.clock.advance(1_100);
    expect(await late).toMatchObject({ successfulSends: 2, acknowledged: 1 });
  });

  it("stops waiting for a device that has left", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice");
    const answer = notifyIn(world)({ ackWaitMs: 10_000 });
    await world.settle();
    tab.connection.closed();
    expect(await answer).toMatchObject({ successfulSends: 1, acknowledged: 0 });
  });

  it("is written once under its key; a repeated call counts who really got it", async () => {
    const world = await runtimeUnderTest();
    const notify = notifyIn(world);
    const before = await world.connect("alice");
    const first = await notify({ key: "k" });
    await world.connect("alice", { from: "now" });
    const again = await notify({ key: "k" });
    // The tab that came later was never sent it, and is not counted as if it had been.
    expect(again).toEqual(first);
    before.say({ type: "ack", offset: 1 });
    expect(await notify({ key: "k" })).toEqual({ ...first, acknowledged: 1 });
    expect(await world.log.ledger()).toMatchObject({ accepted: 1 });
    await expect(notify({ key: "k", data: { n: 2 } })).rejects.toMatchObject({ _tag: "KeyConflict", key: "k" });
    expect(await notify({ key: "k", userId: "bob" })).toMatchObject({ offset: 1 });
  });

  it("is settled by repeating it when its answer was lost", async () => {
    const log = faultyLog(memoryLog());
    const notify = notifyIn(await runtimeUnderTest({ log }));
    for (const fault of ["after", "before"] as const) {
      log.failAppend(fault);
      await expect(notify({ key: fault })).rejects.toMatchObject({ _tag: "LogUnavailable" });
    }
    expect(await notify({ key: "after" })).toMatchObject({ offset: 1 });
    expect(await notify({ key: "before" })).toMatchObject({ offset: 2 });
  });
});
