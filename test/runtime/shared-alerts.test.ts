import { describe, expect, it } from "vitest";
import type { AlertSink, ToldAlert } from "../../src/telemetry/alerts.ts";
import { nodesUnderTest } from "../support/nodes-under-test.ts";

const alert = {
  name: "BreakerOpen",
  severity: "critical",
  summary: "it is open",
  labels: { breaker: "email" },
} as const;
/** Until the others leave out a node that gives no sign of life. */
const deadMs = 400_000;

/** Nodes whose alerts go to one operator. */
async function house(count = 2) {
  const told: ToldAlert[] = [];
  const state = { isDown: false };
  const sink: AlertSink = {
    name: "slack",
    send: async (alerts) => {
      if (state.isDown) throw new Error("the sink is down");
      told.push(...alerts);
    },
  };
  const world = await nodesUnderTest({ alertSinks: [sink] }, { count });
  const raise = async (at: number) => {
    world.nodes[at]?.parts.alerts.raise(alert);
    await world.clock.advance(100);
  };
  const resolve = async (at: number) => {
    world.nodes[at]?.parts.alerts.resolve(alert.name, alert.labels);
    await world.clock.advance(100);
  };
  /** The breaker before the sink itself is no part of it. */
  const states = () => told.filter(({ labels }) => labels?.breaker === "email").map((each) => each.state);
  const kept = () => world.log.documents({ kind: "alert", limit: 10 });
  return { ...world, told, state, raise, resolve, states, kept };
}

describe("an alert of several nodes", () => {
  it("is told once when the first sees it, and once when the last does not see it any more", async () => {
    const { raise, resolve, states, told, kept } = await house(3);
    for (const at of [0, 1, 2]) await raise(at);
    expect(states()).toEqual(["firing"]);
    await resolve(0);
    await resolve(2);
    expect(states()).toEqual(["firing"]);
    await resolve(1);
    expect(states()).toEqual(["firing", "resolved"]);
    expect(told[1]).toMatchObject({ ...alert, startedAt: told[0]?.startedAt });
    expect(await kept()).toEqual([]);
    await raise(1);
    expect(states()).toEqual(["firing", "resolved", "firing"]);
  });

  it("is told once though all see it at once, and is shown by each of them", async () => {
    const { nodes, clock, states } = await house(3);
    for (const { parts } of nodes) parts.alerts.raise(alert);
    await clock.advance(1_000);
    expect(states()).toEqual(["firing"]);
    for (const { parts } of nodes) expect(parts.service.figures().alerts).toMatchObject([alert]);
    for (const { parts } of nodes) parts.alerts.resolve(alert.name, alert.labels);
    await clock.advance(1_000);
    expect(states()).toEqual(["firing", "resolved"]);
  });

  it("holds while somebody sees it, for as long as it takes", async () => {
    const { raise, clock, states } = await house();
    await raise(0);
    await raise(1);
    await clock.advance(3 * deadMs);
    expect(states()).toEqual(["firing"]);
  });

  it("of a node that died is over when no other sees it", async () => {
    const { raise, nodes, clock, states, kept } = await house();
    await raise(0);
    nodes[0].kill();
    await clock.advance(100_000);
    expect(states()).toEqual(["firing"]);
    await clock.advance(deadMs);
    expect(states()).toEqual(["firing", "resolved"]);
    expect(await kept()).toEqual([]);
  });

  it("that its teller could not tell before it died is told by another node", async () => {
    const { raise, nodes, clock, states, state } = await house();
    state.isDown = true;
    await raise(0);
    await raise(1);
    nodes[0].kill();
    state.isDown = false;
    await clock.advance(deadMs);
    expect(states()).toEqual(["firing"]);
  });

  it("waits for its teller while that lives, however long the sink is down", async () => {
    const { raise, clock, states, state } = await house();
    state.isDown = true;
    await raise(0);
    await raise(1);
    await clock.advance(2 * deadMs);
    state.isDown = false;
    await clock.advance(120_000);
    expect(states()).toEqual(["firing"]);
  });

  it("is told when the log answers again", async () => {
    const { raise, nodes, clock, states } = await house();
    nodes[0].faults.setDown(true);
    await raise(0);
    expect(states()).toEqual([]);
    nodes[0].faults.setDown(false);
    await clock.advance(2_000);
    expect(states()).toContain("firing");
  });
});
