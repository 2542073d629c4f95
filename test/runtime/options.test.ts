import { describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import { type RuntimeOptions, settingsOf } from "../../src/runtime/options.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { silentAlerts } from "../../src/telemetry/alerts.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

const needed = { log: memoryLog(), authenticate: () => Promise.reject(new Error("nobody")) };

describe("the settings of a runtime", () => {
  it("are safe where nothing is said", () => {
    expect(settingsOf(needed)).toMatchObject({
      ...needed,
      onCommand: undefined,
      clock: systemClock,
      alertSinks: [],
      heartbeatMs: 15_000,
      helloMs: 5_000,
      windowEvents: 1_024,
      windowBytes: 1_048_576,
      leaseMs: 30_000,
      graceMs: 30_000,
      maxConnectionsPerUser: 1_000,
      tiers: {},
      confirmAuth: false,
      contamination: "refuse",
      retentionMs: 7 * 24 * 3_600_000,
      compactAfterMs: 3_600_000,
      breakers: {},
      channels: [],
      escalation: {},
      contacts: undefined,
      vapidPublicKey: undefined,
    });
    expect(() => settingsOf(needed).journal.write("error", "nobody.listens")).not.toThrow();
  });

  it("are what was said", () => {
    const said: Required<RuntimeOptions> = {
      ...needed,
      onCommand: async () => ({}),
      clock: manualClock(),
      journal: { write: () => {} },
      auditLog: { record: () => {} },
      alerts: silentAlerts,
      alertSinks: [{ name: "pager", send: async () => {} }],
      alertPlace: { read: async () => undefined, write: async () => {} },
      tracer: { startSpan: () => ({ setAttribute: () => {}, setStatus: () => {}, end: () => {} }) },
      loopDelay: () => ({ p50: 0, p99: 0, max: 0 }),
      heartbeatMs: 1,
      helloMs: 2,
      windowEvents: 3,
      windowBytes: 4,
      leaseMs: 5,
      graceMs: 6,
      maxConnectionsPerUser: 7,
      tiers: { default: "mid" },
      confirmAuth: true,
      contamination: "sanitize",
      retentionMs: 8,
      compactAfterMs: 0,
      channels: [{ name: "sms", rung: 5, tell: async () => ({ kind: "absent" }) }],
      breakers: { log: { maxFailures: 1 } },
      escalation: { ackWaitMs: 9 },
      contacts: { find: async () => ({ subscriptions: [] }), drop: async () => {} },
      vapidPublicKey: "key",
      spool: { spool: { append: async () => {}, async *entries() {}, remove: async () => {}, close: async () => {} } },
    };
    expect(settingsOf(said)).toEqual(said);
  });
});
