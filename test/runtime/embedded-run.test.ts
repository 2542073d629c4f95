import { describe, expect, it } from "vitest";
import { asRunId, asTenantId } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { EmbeddedRun } from "../../src/runtime/embedded-run.ts";
import { eventIds } from "../../src/runtime/event-id.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";
import type { RuntimeUnderTest } from "../support/runtime-under-test.ts";

const tenant = asTenantId("default");

async function embed({ parts, clock }: RuntimeUnderTest, runId?: string): Promise<EmbeddedRun> {
  const { desk } = await parts.runs.start(tenant, { userId: "alice", agent: "tester", ...(runId && { runId }) });
  if (desk === undefined) throw new Error("the run is over");
  return new EmbeddedRun(parts.runs, desk, eventIds(clock));
}

const cancel = ({ call, parts, clock }: RuntimeUnderTest, runId: string, deadlineMs?: number) =>
  call(
    parts.service.cancel(
      userOf("alice", clock.now()),
      undefined,
      asRunId(runId),
      deadlineMs === undefined ? {} : { deadlineMs },
    ),
  );

describe("an embedded run", () => {
  it("says its events in order without being awaited", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice", { from: "start" });
    const run = await embed(world);
    void run.thinking("hm", 1);
    const sum = await run.tool({ toolName: "add", args: { a: 1 } }, () => 2);
    void run.delta("m", "It is ");
    void run.message("m", "It is 2");
    await run.completed("2", { tokens: 5 });
    await world.settle();
    expect(sum).toBe(2);
    expect(run.state).toBe("completed");
    expect(tab.events().map(({ type }) => type)).toEqual([
      "agent_started",
      "agent_thinking",
      "tool_executing",
      "tool_completed",
      "agent_delta",
      "agent_message",
      "agent_completed",
    ]);
  });

  it("tells how a tool failed, and fails as the tool did", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice", { from: "start" });
    const run = await embed(world);
    await expect(run.tool({ toolName: "t" }, () => Promise.reject(new RangeError("too far")))).rejects.toThrow(
      RangeError,
    );
    await world.settle();
    expect(tab.events().at(-1)).toMatchObject({ data: { status: "error", error: { message: "too far" } } });
  });

  it("keeps its lease by being there", async () => {
    const world = await runtimeUnderTest({ leaseMs: 1_000, graceMs: 1_000 });
    const run = await embed(world);
    await world.clock.advance(60_000);
    expect(await run.completed()).toMatchObject({ seq: 2 });
  });

  it("hears through its signal that it shall stop", async () => {
    const world = await runtimeUnderTest();
    const run = await embed(world);
    const { signal } = run;
    expect(signal.aborted).toBe(false);
    await cancel(world, run.runId);
    expect(signal.aborted).toBe(true);
    expect(await run.cancelled("as you wish")).toMatchObject({ seq: 3 });
  });

  it("hears through its signal that it is over or lost", async () => {
    const world = await runtimeUnderTest();
    const [ended, claimed] = [await embed(world), await embed(world)];
    const signals = [ended.signal, claimed.signal];
    await ended.completed();
    await world.call(world.parts.service.claim(publisher, undefined, claimed.runId));
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(claimed.signal.aborted).toBe(true);
    await expect(claimed.thinking()).rejects.toMatchObject({ _tag: "Fenced" });
    await expect(claimed.heartbeat()).rejects.toMatchObject({ _tag: "Fenced" });
  });

  it("gives the lease up with the run: a remote runner that claimed it and died is found out (L16)", async () => {
    const world = await runtimeUnderTest({ leaseMs: 1_000, graceMs: 1_000 });
    const run = await embed(world);
    await world.call(world.parts.service.claim(publisher, undefined, run.runId));
    await world.clock.advance(2_500);
    expect((await world.log.run(tenant, run.runId))?.ended).toBe("interrupted");
    // The handle is still held here, and does not count.
    expect(run.fence).toBe(1);
  });

  it("gives the next handle a signal of its own", async () => {
    const world = await runtimeUnderTest();
    const first = await embed(world);
    const { signal } = first;
    const { desk } = await world.parts.runs.claim(tenant, first.runId);
    const second = new EmbeddedRun(world.parts.runs, desk, eventIds(world.clock));
    expect([signal.aborted, second.signal.aborted]).toEqual([true, false]);
    await cancel(world, second.runId);
    expect(second.signal.aborted).toBe(true);
  });

  it.each(["before", "after"] as const)("goes on after a write whose answer was lost %s the disk", async (fault) => {
    const log = faultyLog(memoryLog());
    const world = await runtimeUnderTest({ log, leaseMs: 1_000, graceMs: 1_000 });
    const run = await embed(world);
    const { signal } = run;
    const event = { type: "x.step", data: {}, key: "k" } as const;
    log.failAppend(fault);
    await expect(run.emit(event)).rejects.toMatchObject({ _tag: "LogUnavailable" });
    expect(signal.aborted).toBe(false);
    expect(await run.emit(event)).toMatchObject({ seq: 2, duplicates: fault === "after" ? 1 : 0 });
    expect(run.state).toBe("started");
    await run.heartbeat();
    // It still holds its lease by being there, and the Stop button still reaches it.
    await world.clock.advance(60_000);
    await cancel(world, run.runId);
    expect([signal.aborted, run.signal.aborted]).toEqual([true, true]);
    expect(await run.cancelled()).toMatchObject({ seq: 4 });
  });

  it.each(["before", "after"] as const)(
    "does not take a lost answer %s the disk for the tool's failure, and leaves no call open",
    async (fault) => {
      const log = faultyLog(memoryLog());
      const world = await runtimeUnderTest({ log });
      const tab = await world.connect("alice", { from: "start" });
      const run = await embed(world);
      let executions = 0;
      log.failAppend(fault);
      const paid = run.tool({ toolName: "pay", toolCallId: "c" }, () => {
        executions += 1;
        log.failAppend(fault);
        return "paid";
      });
      expect(await paid).toBe("paid");
      await run.completed();
      await world.settle();
      expect(executions).toBe(1);
      expect(tab.events().map(({ type }) => type)).toEqual([
        "agent_started",
        "tool_executing",
        "tool_completed",
        "agent_completed",
      ]);
      expect(tab.events()[2]).toMatchObject({ data: { toolCallId: "c", status: "ok", result: "paid" } });
    },
  );

  it("closes a call as failed when its result may not be written", async () => {
    const world = await runtimeUnderTest();
    const tab = await world.connect("alice", { from: "start" });
    const run = await embed(world);
    const leak = run.tool({ toolName: "read" }, () => ({ userId: "bob" }));
    await expect(leak).rejects.toMatchObject({ _tag: "Contaminated" });
    await run.completed();
    await world.settle();
    expect(tab.events().map(({ data }) => Reflect.get(Object(data), "status"))).toContain("error");
    expect(run.state).toBe("completed");
  });

  it("refuses what is no event before it reaches the machine", async () => {
    const world = await runtimeUnderTest();
    const run = await embed(world);
    const wrong = [
      { type: "tool_executing", data: {} },
      { type: "made_up", data: {} },
      { type: "x.big", data: { n: 1n } },
    ];
    for (const event of wrong) await expect(run.emit(event as never)).rejects.toMatchObject({ _tag: "InvalidInput" });
    expect(await run.completed()).toMatchObject({ seq: 2 });
  });
});
