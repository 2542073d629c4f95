import { describe, expect, it } from "vitest";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import { AuthEvents } from "../../src/auth/auth-events.ts";
import { alarmAfterFailures, alarmWindowMs } from "../../src/auth/failure-alarm.ts";
import { networkOf } from "../../src/auth/network-of.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { KeptAudit } from "../support/kept-audit.ts";
import { RaisedAlerts } from "../support/raised-alerts.ts";

const alice = { tenantId: asTenantId("acme"), userId: asUserId("alice") };
const attempt = { via: "websocket", address: "203.0.113.77", connectionId: "c1" } as const;

function door() {
  const clock = manualClock();
  const audit = new KeptAudit();
  const alerts = new RaisedAlerts();
  return { clock, audit, alerts, events: new AuthEvents({ auditLog: audit, alerts, clock }) };
}

describe("what happens at the door", () => {
  it("is written down with who, which connection, by which way and from which network", () => {
    const { audit, events } = door();
    events.started(attempt);
    events.validating(attempt);
    events.completed(attempt, alice);
    events.confirmed(attempt, alice);
    events.revoked(attempt, alice);
    events.failed(attempt, "expired", alice);
    const details = { via: "websocket", network: "203.0.113.0/24" };
    expect(audit.entries).toEqual([
      { action: "auth_started", connectionId: "c1", details },
      { action: "auth_validating", connectionId: "c1", details },
      { action: "auth_completed", ...alice, connectionId: "c1", details },
      { action: "auth_confirmed", ...alice, connectionId: "c1", details },
      { action: "auth_revoked", ...alice, connectionId: "c1", details },
      { action: "auth_failed", ...alice, connectionId: "c1", details: { ...details, reason: "expired" } },
    ]);
  });

  it("is written entry by entry up to a burst; what strangers do beyond it is counted", async () => {
    const { audit, events, clock } = door();
    for (let at = 0; at < 10_000; at += 1) events.failed({ via: "http", address: "10.0.0.1" }, "not_accepted");
    for (let at = 0; at < 500; at += 1) events.failed({ via: "websocket" }, "url_token");
    expect(audit.entries).toHaveLength(100);
    await clock.advance(10_000);
    expect(audit.entries.slice(100)).toEqual([
      { action: "auth_failed", details: { via: "http", reason: "not_accepted", count: 9_900 } },
      { action: "auth_failed", details: { via: "websocket", reason: "url_token", count: 500 } },
    ]);
    events.completed(attempt, alice);
    expect(audit.actions().at(-1)).toBe("auth_completed");
  });

  it("costs a flood of a day less than a hundred thousand lines", async () => {
    const { audit, events, clock } = door();
    for (let second = 0; second < 3_600; second += 1) {
      for (let at = 0; at < 20; at += 1) events.failed({ via: "http" }, "not_accepted");
      await clock.advance(1_000);
    }
    expect(audit.entries.length * 24).toBeLessThan(100_000);
    events.stop();
    const counted = audit.entries.reduce((sum, { details }) => sum + Number(details?.["count"] ?? 1), 0);
    expect(counted).toBe(72_000);
  });

  it("raises one alert when many are refused in a short time, and takes it back when it is over", async () => {
    const { alerts, events, clock } = door();
    for (let at = 1; at < alarmAfterFailures; at += 1) events.failed(attempt, "not_accepted");
    expect(alerts.all).toEqual([]);
    for (let at = 0; at < 500; at += 1) events.failed(attempt, "not_accepted");
    expect(alerts.all.map(({ name, severity }) => [name, severity])).toEqual([["AuthFailures", "warning"]]);
    await clock.advance(alarmWindowMs - 1_000);
    for (let at = 0; at < alarmAfterFailures; at += 1) events.failed(attempt, "ticket");
    await clock.advance(2_000);
    expect([...alerts.standing]).toEqual(["AuthFailures"]);
    await clock.advance(2 * alarmWindowMs);
    expect(alerts.standing.size).toBe(0);
    expect(alerts.all).toHaveLength(1);
  });

  it("raises none for what happens to honest clients, nor for failures that are spread out", async () => {
    const { alerts, events, clock } = door();
    for (let at = 0; at < 500; at += 1) events.failed(attempt, at % 2 === 0 ? "expired" : "no_credential");
    for (let at = 0; at < 200; at += 1) {
      events.failed(attempt, "not_accepted");
      await clock.advance(1_300);
    }
    expect(alerts.all).toEqual([]);
  });
});

describe("a network", () => {
  it.each([
    ["203.0.113.77", "203.0.113.0/24"],
    ["::ffff:203.0.113.77", "203.0.113.0/24"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"],
    ["2001:DB8::1", "2001:db8:0::/48"],
    ["::1", "0:0:0::/48"],
    ["fe80::1%eth0", "fe80:0:0::/48"],
    ["", undefined],
    ["a line\nbreak", undefined],
    [undefined, undefined],
  ])("of %j is %j", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
