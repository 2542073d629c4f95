import { describe, expect, it } from "vitest";
import { asTenantId } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { EmbeddedRun } from "../../src/runtime/embedded-run.ts";
import { eventIds } from "../../src/runtime/event-id.ts";
import { note } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

describe("draining", () => {
  it("says goodbye to everybody, closes with 1012 and spreads their return", async () => {
    const { connect, open, call, parts } = await runtimeUnderTest();
    const tabs = [await connect("alice"), await connect("alice"), await connect("bob"), await open()];
    await call(parts.service.drain);
    const goodbyes = tabs.map((tab) => tab.of("goodbye")[0]);
    expect(new Set(goodbyes.map((goodbye) => goodbye?.retryAfterMs)).size).toBe(tabs.length);
    for (const [index, tab] of tabs.entries()) {
      expect(goodbyes[index]).toMatchObject({ reason: "restart" });
      expect(tab.frames.at(-1)?.type).toBe("goodbye");
      expect(tab.transport.ended?.code).toBe(1012);
    }
    expect(parts.service.stats()).toMatchObject({ connections: 0, streams: 0 });
  });

  it("takes nobody and no run in any more", async () => {
    const { open, start, call, parts } = await runtimeUnderTest();
    expect(parts.service.state()).toBe("accepting");
    const draining = call(parts.service.drain);
    expect(parts.service.state()).toBe("draining");
    await expect(open()).rejects.toMatchObject({ _tag: "NotAccepting" });
    await expect(start()).rejects.toMatchObject({ _tag: "NotAccepting" });
    await draining;
    expect(parts.service.state()).toBe("stopped");
    await expect(open()).rejects.toMatchObject({ _tag: "NotAccepting" });
    await call(parts.service.drain);
  });

  it("interrupts the runs whose code dies with the process, and leaves the others to their runners", async () => {
    const { start, call, parts, clock, log } = await runtimeUnderTest();
    const remote = await start();
    const { desk } = await parts.runs.start(asTenantId("default"), { userId: "alice", agent: "tester" });
    if (desk === undefined) throw new Error("the run is over");
    const run = new EmbeddedRun(parts.runs, desk, eventIds(clock));
    const { signal } = run;
    await call(parts.service.drain);
    expect((await log.run(asTenantId("default"), run.runId))?.ended).toBe("interrupted");
    expect((await log.run(asTenantId("default"), remote.runId as never))?.ended).toBeUndefined();
    expect(signal.aborted).toBe(true);
    const events = await log.readRun(asTenantId("default"), run.runId, 1, { maxEvents: 9, maxBytes: 999 });
    expect(events).toMatchObject([{ type: "agent_interrupted", data: '{"reason":"shutdown"}' }]);
  });

  it("tells the owner how those runs end before it says goodbye", async () => {
    const { connect, call, parts, clock } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { desk } = await parts.runs.start(asTenantId("default"), { userId: "alice", agent: "tester" });
    if (desk === undefined) throw new Error("the run is over");
    const run = new EmbeddedRun(parts.runs, desk, eventIds(clock));
    await call(parts.service.drain);
    expect(tab.events().at(-1)).toMatchObject({ type: "agent_interrupted", runId: run.runId });
    expect(tab.frames.slice(-2).map(({ type }) => type)).toEqual(["events", "goodbye"]);
  });

  it("says goodbye in time also while the log keeps silent", async () => {
    const log = memoryLog();
    const answers: (() => void)[] = [];
    const silent = {
      ...log,
      append: async (append: Parameters<typeof log.append>[0]) => {
        if (append.run?.create === undefined) await new Promise<void>((resolve) => void answers.push(resolve));
        return log.append(append);
      },
    };
    const { start, publish, connect, call, parts, clock, settle } = await runtimeUnderTest({ log: silent });
    const tab = await connect("alice");
    const { runId } = await start();
    const last = publish(runId, 1, [note()]);
    await settle();
    const drained = call(parts.service.drain);
    await clock.advance(2_000);
    expect(tab.transport.ended?.code).toBe(1012);
    expect(parts.service.state()).toBe("draining");
    for (const answer of answers) answer();
    expect(await last).toMatchObject({ seq: 2 });
    await drained;
    expect(parts.service.state()).toBe("stopped");
  });

  it("waits until what was accepted is durable, and saves the cursors", async () => {
    const { start, publish, connect, call, parts, log, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, [note()]);
    await settle();
    tab.say({ type: "ack", offset: 2 });
    const last = publish(runId, 1, [note()]);
    await settle();
    await call(parts.service.drain);
    expect(await last).toMatchObject({ offset: 3 });
    expect(await log.ledger()).toMatchObject({ accepted: 3, acked: 2 });
  });

  it("ends also when the log is down", async () => {
    const log = faultyLog(memoryLog());
    const { start, publish, connect, call, parts, settle } = await runtimeUnderTest({ log });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, [note()]);
    await settle();
    tab.say({ type: "ack", offset: 2 });
    log.setDown(true);
    await call(parts.service.drain);
    expect(parts.service.state()).toBe("stopped");
    expect(tab.transport.ended?.code).toBe(1012);
  });

  it("answers a notice that still waits for acks", async () => {
    const { connect, call, parts, settle } = await runtimeUnderTest();
    await connect("alice");
    const notice = { userId: "alice", type: "x.mail", data: {}, ackWaitMs: 10_000 };
    const answer = call(parts.service.notify(publisher, notice));
    await settle();
    await call(parts.service.drain);
    expect(await answer).toMatchObject({ connectionsAttempted: 1, successfulSends: 1, acknowledged: 0 });
  });

  it("of a process that never opened its doors ends at once", async () => {
    const { call, parts } = await runtimeUnderTest();
    await call(parts.service.drain);
    await call(parts.service.drain);
    expect(parts.service.state()).toBe("stopped");
  });
});
