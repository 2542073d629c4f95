import { describe, expect, it } from "vitest";
import { asRunId, asTenantId } from "../../protocol/ids.ts";
import { LogFull } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { completed, note, resumed, suspended, thinking } from "../support/events.ts";
import type { NodeUnderTest } from "../support/nodes-under-test.ts";
import { embedIn, nodesUnderTest, writtenOf } from "../support/nodes-under-test.ts";
import { publisher, userOf } from "../support/runtime-under-test.ts";

const leaseMs = 10_000;
const graceMs = 5_000;
/** A sweep by another node, at its latest. */
const sweepMs = 36_000;
/** One tick of the wheel, for each of the deadlines on the way. */
const lateMs = 300;
const options = { leaseMs, graceMs };

const beat = ({ call, parts }: NodeUnderTest, runId: string, fence = 1) =>
  call(parts.service.heartbeat(publisher, undefined, asRunId(runId), { fence }));
const marks = (log: EventLog) => log.documents({ kind: "lease", limit: 100 });

describe("a lease on several nodes", () => {
  it("is held by a heartbeat at any node: no other calls the runner silent", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options, { count: 3 });
    const tabs = await Promise.all(nodes.map((node) => node.connect("alice", { from: "start" })));
    const { runId } = await nodes[0].start();
    for (let round = 0; round < 40; round += 1) {
      await clock.advance(4_000);
      await beat(nodes[round % 3] ?? nodes[0], runId);
    }
    for (const tab of tabs) expect(tab.of("status")).toEqual([]);
    expect(await writtenOf(log, runId)).toEqual(["agent_started"]);
    await nodes[1].publish(runId, 1, [completed]);
    await clock.advance(sweepMs);
    expect(await marks(log)).toEqual([]);
  });

  it("ends a run whose end the log had no room for, as soon as it has, also where no other node would", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options);
    const [first, second] = nodes;
    second.kill();
    const { runId } = await first.start();
    let isFull = true;
    const { append } = first.faults;
    Object.assign(first.faults, {
      append: (...wanted: Parameters<typeof append>) =>
        isFull ? Promise.reject(new LogFull({ message: "full", retryAfterMs: 1 })) : append(...wanted),
    });
    await clock.advance(leaseMs + graceMs + sweepMs);
    expect(await writtenOf(log, runId)).toEqual(["agent_started"]);
    isFull = false;
    await clock.advance(1_000 + lateMs);
    expect(await writtenOf(log, runId)).toEqual(["agent_started", "agent_interrupted"]);
  });

  it("is held by heartbeats at one node while another has an old desk of the run", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options);
    const [first, second] = nodes;
    const { runId } = await first.start();
    for (let round = 0; round < 20; round += 1) {
      await clock.advance(4_000);
      await beat(second, runId);
    }
    expect(await writtenOf(log, runId)).toEqual(["agent_started"]);
    // Nothing here waits for it: the other node has its desk.
    expect(first.parts.runs.livingCount).toBe(0);
    expect(await first.publish(runId, 1, [thinking])).toMatchObject({ seq: 2 });
  });

  it("is written down at most every third of it, however often the runner is heard", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options);
    const { runId } = await nodes[0].start();
    for (let round = 0; round < 100; round += 1) {
      await clock.advance(100);
      await beat(nodes[0], runId);
    }
    const [mark] = await marks(log);
    expect(mark?.version).toBeLessThanOrEqual(4);
    expect(mark?.version).toBeGreaterThanOrEqual(3);
  });

  it("is held by an embedded runner that says nothing, as long as its process lives", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options);
    const [first, second] = nodes;
    const tab = await second.connect("alice", { from: "start" });
    const run = await embedIn(first, "run");
    await clock.advance(10 * leaseMs);
    expect(tab.of("status")).toEqual([]);
    first.kill();
    await clock.advance(leaseMs + graceMs + sweepMs);
    expect(await writtenOf(log, run.runId)).toEqual(["agent_started", "agent_interrupted"]);
  });

  it("of a node that dies is judged by the others, which write one terminal (L2, L16)", async () => {
    // Long enough for the last of them to find it before the first ends it.
    const patienceMs = 60_000;
    const { nodes, clock, log } = await nodesUnderTest({ leaseMs, graceMs: patienceMs }, { count: 3 });
    const [first, second, third] = nodes;
    const tabs = [await second.connect("alice", { from: "start" }), await third?.connect("alice", { from: "start" })];
    const { runId } = await first.start();
    await clock.advance(1_000);
    await first.publish(runId, 1, [thinking]);
    first.kill();
    await clock.advance(sweepMs + leaseMs + patienceMs + lateMs);
    expect(await writtenOf(log, runId)).toEqual(["agent_started", "agent_thinking", "agent_interrupted"]);
    // Each told its own connections that it stalled, and that it does not any more.
    for (const tab of tabs) expect(tab?.of("status").map(({ run }) => run?.stalled)).toEqual([true, false]);
    for (const tab of tabs) expect(tab?.events().at(-1)?.type).toBe("agent_interrupted");
  });

  it("that was called silent is told to be held again at every node, at once when its runner says a word", async () => {
    const { nodes, clock } = await nodesUnderTest({ leaseMs, graceMs: 120_000 });
    const tabs = await Promise.all(nodes.map((node) => node.connect("alice")));
    const { runId } = await nodes[0].start();
    await clock.advance(sweepMs + leaseMs + lateMs);
    for (const tab of tabs) expect(tab.of("status").map(({ run }) => run?.stalled)).toEqual([true]);
    await nodes[0].publish(runId, 1, [note()]);
    await nodes[1].settle();
    for (const tab of tabs) expect(tab.of("status").map(({ run }) => run?.stalled)).toEqual([true, false]);
  });

  it("is not judged while the log does not say who was heard", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options);
    const [first, second] = nodes;
    const { runId } = await first.start();
    await beat(second, runId);
    first.faults.setDown(true);
    for (let round = 0; round < 20; round += 1) {
      await clock.advance(4_000);
      await beat(second, runId);
    }
    first.faults.setDown(false);
    await clock.advance(2_000);
    await beat(second, runId);
    await clock.advance(leaseMs - lateMs);
    expect(await writtenOf(log, runId)).toEqual(["agent_started"]);
  });

  it("does not count while the run waits for a human, and does again when another node has heard the answer", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options);
    const [first, second] = nodes;
    const { runId } = await first.start();
    await first.publish(runId, 1, [suspended("a")]);
    await clock.advance(10 * leaseMs);
    const alice = userOf("alice", clock.now());
    await second.call(second.parts.service.resolveApproval(alice, undefined, "a", { decision: "approve" }));
    await second.publish(runId, 1, [resumed]);
    second.kill();
    await clock.advance(leaseMs + sweepMs + graceMs + lateMs);
    expect((await writtenOf(log, runId)).at(-1)).toBe("agent_interrupted");
  });

  it("leaves no mark of a run that is gone", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options);
    const { runId } = await nodes[0].start();
    await nodes[0].publish(runId, 1, [completed]);
    await log.putDocument({ kind: "lease", key: `${runId}/default`, value: "{}" });
    await log.putDocument({ kind: "lease", key: "never-was/default", value: "{}" });
    await clock.advance(sweepMs);
    expect(await marks(log)).toEqual([]);
  });
});

describe("a date on several nodes", () => {
  it("that was settled at one is not fired by another", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options, { line: () => {} });
    const [first, second] = nodes;
    const { runId } = await first.start();
    const expiresAt = new Date(clock.now() + 8_000).toISOString();
    const ask = {
      type: "agent_suspended",
      data: { reason: "asks", approvals: [{ approvalId: "a", prompt: "?", expiresAt }] },
    };
    await first.publish(runId, 1, [ask]);
    const alice = userOf("alice", clock.now());
    await second.call(second.parts.service.resolveApproval(alice, undefined, "a", { decision: "approve" }));
    await second.publish(runId, 1, [resumed]);
    await second.call(second.parts.service.cancel(alice, undefined, asRunId(runId), { deadlineMs: 4_000 }));
    await first.publish(runId, 1, [{ type: "cancel_refused", data: { reason: "nearly done" } }]);
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(2_000);
      await beat(first, runId);
    }
    expect((await writtenOf(log, runId)).at(-1)).toBe("cancel_refused");
  });

  it("is fired once, by whichever node has the run", async () => {
    const { nodes, clock, log } = await nodesUnderTest(options);
    const [first, second] = nodes;
    const { runId } = await first.start();
    const alice = userOf("alice", clock.now());
    await second.call(second.parts.service.cancel(alice, undefined, asRunId(runId), { deadlineMs: 2_000 }));
    await beat(first, runId);
    await clock.advance(3_000);
    expect(await writtenOf(log, runId)).toEqual(["agent_started", "cancel_requested", "agent_cancelled"]);
    expect((await log.run(asTenantId("default"), asRunId(runId)))?.ended).toBe("cancelled");
  });

  it("of a run's own limit is counted by what other nodes wrote", async () => {
    const { nodes, clock, log } = await nodesUnderTest({ leaseMs: 60_000, graceMs }, { line: () => {} });
    const [first, second] = nodes;
    const { runId } = await first.start({ deadlineMs: 10_000 });
    await second.publish(runId, 1, [suspended("a")]);
    await clock.advance(30_000);
    expect(await writtenOf(log, runId)).toEqual(["agent_started", "agent_suspended"]);
  });
});
