import { describe, expect, it } from "vitest";
import { CarriedAlerts } from "../../../src/cli/workers/audit-desk.ts";
import type { Hand } from "../../../src/cli/workers/hand.ts";
import type { ToWorker } from "../../../src/cli/workers/messages.ts";

function carrier() {
  const told: ToWorker[] = [];
  const hand: Hand = {
    pid: 1,
    ready: Promise.resolve("http://127.0.0.1:7420"),
    ended: new Promise(() => {}),
    tell: (message) => void told.push(message),
    kill: () => {},
  };
  return { hand, told };
}
const alert = { name: "AuditNotWritten", severity: "critical", summary: "the disk is full" } as const;

describe("alerts that a worker carries for its primary", () => {
  it("wait for one, go on with the next when it is gone, and end where they stand", () => {
    const alerts = new CarriedAlerts();
    const first = carrier();
    const second = carrier();
    alerts.raise(alert);
    alerts.carriedBy(first.hand);
    alerts.carriedBy(first.hand);
    expect(first.told).toEqual([{ kind: "alert.raise", alert }]);
    alerts.carriedBy(undefined);
    alerts.carriedBy(second.hand);
    alerts.resolve(alert.name);
    alerts.resolve(alert.name);
    expect(second.told).toEqual([
      { kind: "alert.raise", alert },
      { kind: "alert.resolve", name: alert.name },
    ]);
    expect(first.told).toHaveLength(1);
  });
});
