import { describe, expect, it } from "vitest";
import { SweepTurn } from "../../src/runtime/sweep-turn.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { asUserId, defaultTenant, streamKey } from "../../protocol/ids.ts";
import { completed } from "../support/events.ts";
import type { NodeUnderTest } from "../support/nodes-under-test.ts";
import { nodesUnderTest } from "../support/nodes-under-test.ts";

const hourMs = 3_600_000;
const sweepMs = 60_000;
const lateMs = 1_000;
const options = { retentionMs: hourMs, leaseMs: hourMs, heartbeatMs: hourMs };
const alice = streamKey(defaultTenant, asUserId("alice"));

describe("retention on several nodes", () => {
  it("is one sweep a pause, whoever does it, and goes on while one of them lives", async () => {
    let sweeps = 0;
    const memory = memoryLog();
    const retire: EventLog["retire"] = (ask) => {
      sweeps += 1;
      return memory.retire(ask);
    };
    const { nodes, clock, log } = await nodesUnderTest(options, { count: 3, log: { ...memory, retire } });
    const [first, second, third] = nodes;
    const begin = async (node: NodeUnderTest, runId: string): Promise<void> => {
      const { fence } = await node.start({ runId });
      await node.publish(runId, fence, [completed]);
    };
    await begin(first, "first");
    await clock.advance(hourMs + sweepMs + lateMs);
    expect(await log.position(alice)).toMatchObject({ first: 3 });
    expect(nodes.reduce((sum, { parts }) => sum + parts.service.stats().eventsRetired, 0)).toBe(2);
    expect(sweeps).toBeLessThanOrEqual(hourMs / sweepMs + 1);
    first.kill();
    second.kill();
    await begin(third ?? first, "second");
    await clock.advance(hourMs + 2 * (sweepMs + lateMs));
    expect(await log.position(alice)).toMatchObject({ first: 5 });
  });
});

describe("the turn to sweep", () => {
  it("is one node's at a time, as long as that one takes it", async () => {
    const log = memoryLog();
    const [one, other] = [new SweepTurn(log), new SweepTurn(log)];
    const taken: boolean[] = [];
    for (let pause = 0; pause < 3; pause += 1) taken.push(await one.take(), await other.take());
    expect(taken).toEqual([true, false, true, false, true, false]);
    // The first is gone.
    expect([await other.take(), await other.take()]).toEqual([true, true]);
  });

  it("is one node's when two ask at once", async () => {
    const log = memoryLog();
    const turns = [new SweepTurn(log), new SweepTurn(log), new SweepTurn(log)];
    for (let pause = 0; pause < 3; pause += 1) {
      const taken = await Promise.all(turns.map((turn) => turn.take()));
      expect(taken.filter(Boolean).length).toBe(1);
    }
  });
});
