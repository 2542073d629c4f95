import { describe, expect, it } from "vitest";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { completed } from "../support/events.ts";
import { nodesUnderTest } from "../support/nodes-under-test.ts";
import { keptAlerts, scriptedChannel } from "../support/scripted-channels.ts";

const ackWaitMs = 30_000;
/** Until another node has found a row of a node that died, and let it go first. */
const findMs = 9_000;
/** Until a node that stands still over a row has lost it, and another has found it. */
const termMs = 140_000;

/** Nodes that tell by the same channels. */
async function house(count = 2, more: Partial<RuntimeOptions> = {}) {
  const channels = { push: scriptedChannel("web-push"), email: scriptedChannel("email") };
  const alerts = keptAlerts();
  const options = { channels: Object.values(channels), alerts, escalation: { ackWaitMs }, leaseMs: 600_000, ...more };
  const world = await nodesUnderTest(options, { count });
  const finish = async (at: number): Promise<void> => {
    const node = world.nodes[at] ?? world.nodes[0];
    const { runId } = await node.start();
    await node.publish(runId, 1, [completed]);
  };
  const rows = async () => (await world.log.outbox({ limit: 100 })).rows;
  return { ...world, channels, alerts, finish, rows };
}

describe("escalations of several nodes", () => {
  it("tell a user once, whichever node wrote the event", async () => {
    const { clock, channels, finish, rows } = await house(3);
    for (let at = 0; at < 3; at += 1) await finish(at);
    await clock.advance(5 * ackWaitMs);
    expect(channels.push.calls).toHaveLength(3);
    expect(new Set(channels.push.calls.map(({ id }) => id)).size).toBe(3);
    expect((await rows()).map(({ state }) => state)).toEqual(["told", "told", "told"]);
  });

  it("tell in time what a node wrote that is dead", async () => {
    const { clock, nodes, channels, finish } = await house();
    await finish(0);
    nodes[0].kill();
    await clock.advance(ackWaitMs + findMs);
    expect(channels.push.calls).toHaveLength(1);
  });

  it("tell nobody who has acknowledged at another node", async () => {
    const { clock, nodes, channels, finish, rows } = await house();
    const tab = await nodes[1].connect("alice", { from: "start", device: "tab" });
    await finish(0);
    await nodes[1].settle();
    tab.say({ type: "ack", offset: 2 });
    await clock.advance(3 * ackWaitMs);
    expect([channels.push.calls, await rows()]).toEqual([[], []]);
  });

  it("do not go on to the next channel when the user acknowledges at another node while the first is asked", async () => {
    const { clock, nodes, channels, finish } = await house();
    const tab = await nodes[1].connect("alice", { from: "start", device: "tab" });
    channels.push.answers = "held";
    await finish(0);
    await clock.advance(ackWaitMs + 1_000);
    expect(channels.push.calls).toHaveLength(1);
    tab.say({ type: "ack", offset: 2 });
    await clock.advance(1_000);
    channels.push.answer("failed");
    await clock.advance(5 * ackWaitMs);
    expect(channels.email.calls).toEqual([]);
  });

  it("leave a row to the node that is calling for it, however slow the call is", async () => {
    const { clock, channels, finish, rows } = await house(3);
    channels.push.answers = "held";
    await finish(0);
    await clock.advance(ackWaitMs + 25_000);
    expect(channels.push.calls).toHaveLength(1);
    channels.push.answer("told");
    await clock.advance(2 * termMs);
    expect(channels.push.calls).toHaveLength(1);
    expect((await rows()).map(({ state }) => state)).toEqual(["told"]);
  });

  it("take over from a node that died while it called: a push comes again, with the same id", async () => {
    const { clock, nodes, channels, finish } = await house();
    channels.push.answers = "held";
    await finish(0);
    await clock.advance(ackWaitMs + 500);
    nodes[0].kill();
    channels.push.answers = "told";
    await clock.advance(termMs);
    expect(channels.push.calls).toHaveLength(2);
    expect(new Set(channels.push.calls.map(({ id }) => id)).size).toBe(1);
  });

  it("take over from a node that died while it mailed: nobody is mailed twice, and the operator is told", async () => {
    const { clock, nodes, channels, alerts, finish, rows } = await house();
    channels.push.answers = "absent";
    channels.email.answers = "held";
    await finish(0);
    await clock.advance(ackWaitMs + 500);
    expect(channels.email.calls).toHaveLength(1);
    nodes[0].kill();
    await clock.advance(termMs - 100_000);
    // Its term is not over: it may live.
    expect([...alerts.holding.keys()]).not.toContain("NoticeInDoubt");
    await clock.advance(termMs);
    expect(channels.email.calls).toHaveLength(1);
    expect((await rows()).map(({ state }) => state)).toEqual(["told"]);
  });

  it("rest once when nobody can be told, and begin the next round at one node", async () => {
    const { clock, channels, alerts, finish } = await house(3);
    channels.push.answers = "failed";
    channels.email.answers = "failed";
    await finish(0);
    await clock.advance(ackWaitMs + 5_000);
    expect([channels.push.calls.length, channels.email.calls.length]).toEqual([1, 1]);
    expect([...alerts.holding.keys()]).toContain("AllRungsDead");
    channels.push.answers = "told";
    await clock.advance(3 * 60_000);
    expect(channels.push.calls).toHaveLength(2);
  });
});
