import { describe, expect, it } from "vitest";
import type { AlertSink, ToldAlert } from "../../src/telemetry/alerts.ts";
import { keys, openHouse, token } from "./support/house.ts";

describe("GET /v1/alerts", () => {
  it("shows what holds and what no sink has taken, to keys of every tenant", async () => {
    const taken: ToldAlert[] = [];
    let isOff = true;
    const pager: AlertSink = {
      name: "pager",
      send: async (alerts) => {
        if (isOff) throw new Error("off");
        taken.push(...alerts);
      },
    };
    const house = await openHouse({ runtime: { alertSinks: [pager] } });
    const ask = async (as?: string) => house.call("GET", "/v1/alerts", { as });
    expect((await ask(keys.admin)).body).toEqual({ health: "green", alerts: [], waiting: { pager: [] } });
    house.alerts.raise({
      name: "LogDown",
      severity: "critical",
      summary: "the log takes no writes",
      labels: { a: "b" },
    });
    const firing = {
      ...{ name: "LogDown", severity: "critical", summary: "the log takes no writes", labels: { a: "b" } },
      ...{ state: "firing", startedAt: expect.stringMatching(/^\d{4}-.*Z$/) },
    };
    expect((await ask(keys.both)).body).toEqual({ health: "red", alerts: [firing], waiting: { pager: [firing] } });
    isOff = false;
    await expect.poll(() => taken, { timeout: 5_000 }).toEqual([firing]);
    expect((await ask(keys.both)).body).toEqual({ health: "red", alerts: [firing], waiting: { pager: [] } });
    const { text } = await house.call("GET", "/metrics");
    expect(text).toContain("\nruncast_health 0\n");
    expect(text).toContain('\nruncast_alerts{severity="critical"} 1\n');
    expect(text).toContain('\nruncast_queue_depth{queue="alerts"} 0\n');

    expect((await ask()).status).toBe(401);
    expect((await ask(await token("alice"))).status).toBe(403);
    expect((await ask(keys.publisher)).status).toBe(403);
    expect((await ask(keys.acme)).status).toBe(403);
    await house.close();
  });
});

describe("the isolation refusals", () => {
  it("are counted by reason, what is foreign apart from what is missing", async () => {
    const house = await openHouse();
    const { runId } = await house.startRun({ userId: "alice" });
    const bob = await token("bob");
    const counts = async () => {
      const { text } = await house.call("GET", "/metrics");
      const found = text.matchAll(/^runcast_isolation_refusals_total\{reason="(\w+)"\} (\d+)$/gm);
      return Object.fromEntries([...found].map(({ 1: reason = "", 2: count }) => [reason, Number(count)]));
    };
    expect(await counts()).toEqual({ unauthenticated: 0, forbidden: 0, foreign: 0, contaminated: 0 });
    await house.call("GET", "/v1/runs");
    await house.call("GET", "/v1/runs?userId=alice", { as: bob });
    await house.call("GET", "/v1/runs/missing", { as: bob });
    expect(await counts()).toEqual({ unauthenticated: 1, forbidden: 1, foreign: 0, contaminated: 0 });
    const foreign = await house.call("GET", `/v1/runs/${runId}`, { as: bob });
    const missing = await house.call("GET", "/v1/runs/missing", { as: bob });
    expect([foreign.status, foreign.text]).toEqual([missing.status, missing.text]);
    await house.call("POST", `/v1/runs/${runId}/cancel`, { as: bob, body: {} });
    await house.call("POST", `/v1/runs/${runId}/heartbeat?tenantId=default`, { as: keys.acme, body: { fence: 1 } });
    const data = { message: "x", userId: "bob" };
    await house.call("POST", `/v1/runs/${runId}/events`, {
      as: keys.both,
      body: { fence: 1, events: [{ type: "agent_progress", data }] },
    });
    expect(await counts()).toEqual({ unauthenticated: 1, forbidden: 1, foreign: 3, contaminated: 1 });
    await house.close();
  });
});
