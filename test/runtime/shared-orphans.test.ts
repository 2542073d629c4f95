import { describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import type { EventLog, RunRecord } from "../../src/log/event-log.ts";
import { completed, suspended, thinking } from "../support/events.ts";
import type { NodeUnderTest } from "../support/nodes-under-test.ts";
import { embedIn, nodesUnderTest, writtenOf } from "../support/nodes-under-test.ts";
import { publisher } from "../support/runtime-under-test.ts";

const leaseMs = 10_000;
const graceMs = 5_000;
/** A sweep by another node, at its latest. */
const sweepMs = 36_000;
const lateMs = 300;
const isSilentMs = sweepMs + leaseMs + lateMs;

async function world(count = 3) {
  const told: RunRecord[] = [];
  const onOrphan = (record: RunRecord): void => void told.push(record);
  return { told, ...(await nodesUnderTest({ leaseMs, graceMs, onOrphan }, { count })) };
}

const beat = ({ call, parts }: NodeUnderTest, runId: string) =>
  call(parts.service.heartbeat(publisher, undefined, asRunId(runId), { fence: 1 }));
const claim = ({ call, parts }: NodeUnderTest, runId: string) =>
  call(parts.service.claim(publisher, undefined, asRunId(runId)));
const kept = (log: EventLog) => log.documents({ kind: "orphan", limit: 9 });

describe("the orphans of several nodes", () => {
  it("are no runs that another node serves, also for a node that starts beside it", async () => {
    const { told, nodes, clock, join, log } = await world();
    const { runId } = await nodes[0].start();
    await embedIn(nodes[1], "embedded");
    await join();
    for (let round = 0; round < 15; round += 1) {
      await clock.advance(4_000);
      await beat(nodes[round % 3] ?? nodes[0], runId);
    }
    expect(told).toEqual([]);
    expect(await kept(log)).toEqual([]);
  });

  it("are told at one node, when the lease is over, and go on when they are claimed", async () => {
    const { told, nodes, clock, log } = await world();
    const [first, second, third] = nodes;
    await embedIn(first, "run-1");
    first.kill();
    await clock.advance(leaseMs - lateMs);
    expect(told).toEqual([]);
    for (let passed = 0; told.length === 0 && passed < isSilentMs; passed += lateMs) await clock.advance(lateMs);
    await clock.advance(lateMs);
    expect(told).toMatchObject([{ runId: "run-1", seq: 1, fence: 1 }]);
    const { fence } = await claim(second, "run-1");
    await second.publish("run-1", fence, [thinking]);
    for (let round = 0; round < 20; round += 1) {
      await clock.advance(4_000);
      await second.publish("run-1", fence, [thinking]);
    }
    expect(told).toHaveLength(1);
    expect(await kept(log)).toEqual([]);
    // Silent once more, it is told once more.
    second.kill();
    await clock.advance(isSilentMs);
    expect(told).toMatchObject([{ fence: 1 }, { fence: 2 }]);
    await third?.settle();
    expect((await writtenOf(log, "run-1")).at(-1)).toBe("agent_interrupted");
  });

  it("are interrupted after the grace period when nobody claims them, and told once (L16)", async () => {
    const { told, nodes, clock, log } = await world();
    await embedIn(nodes[0], "run-1");
    nodes[0].kill();
    await clock.advance(isSilentMs + graceMs + lateMs);
    expect((await writtenOf(log, "run-1")).at(-1)).toBe("agent_interrupted");
    expect(told).toHaveLength(1);
    expect(await kept(log)).toEqual([]);
  });

  it("leave nothing behind when the node that told of them dies as well", async () => {
    const { nodes, clock, join, log } = await world(2);
    await embedIn(nodes[0], "run-1");
    nodes[0].kill();
    for (let passed = 0; (await kept(log)).length === 0 && passed < isSilentMs; passed += lateMs)
      await clock.advance(lateMs);
    nodes[1].kill();
    expect(await kept(log)).toHaveLength(1);
    const last = await join();
    const { fence } = await claim(last, "run-1");
    await last.publish("run-1", fence, [completed]);
    await join();
    await clock.advance(lateMs);
    expect(await kept(log)).toEqual([]);
  });

  it("are none while they wait for a human", async () => {
    const { told, nodes, clock } = await world();
    const { runId } = await nodes[0].start();
    await nodes[0].publish(runId, 1, [suspended("p")]);
    nodes[0].kill();
    await clock.advance(3 * isSilentMs);
    expect(told).toEqual([]);
  });
});
