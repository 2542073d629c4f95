/**
 * The audit log of all workers: written by their primary alone, because a chain has one writer. What it has to alert on
 * is told by one of the workers: channels and sinks are theirs.
 */
import * as Effect from "effect/Effect";
import type { AuditLog } from "../../auth/audit-log.ts";
import { auditFile } from "../../auth/audit-opening.ts";
import type { Config } from "../../config.ts";
import { systemClock } from "../../platform/clock.ts";
import type { Alert, Alerts } from "../../telemetry/alerts.ts";
import type { Hand } from "./hand.ts";

/** Alerts that one worker carries, and the next one when that is gone. */
export class CarriedAlerts implements Alerts {
  private readonly standing = new Map<string, Alert>();
  private carrier: Hand | undefined;

  raise(alert: Alert): void {
    this.standing.set(keyOf(alert.name, alert.labels), alert);
    this.carrier?.tell({ kind: "alert.raise", alert });
  }

  resolve(name: string, labels?: Alert["labels"]): void {
    if (this.standing.delete(keyOf(name, labels))) this.carrier?.tell({ kind: "alert.resolve", name, labels });
  }

  /** Who works now; what stands is told anew to a new carrier. */
  carriedBy(hand: Hand | undefined): void {
    if (hand === this.carrier) return;
    this.carrier = hand;
    for (const alert of this.standing.values()) hand?.tell({ kind: "alert.raise", alert });
  }
}

const keyOf = (name: string, labels: Alert["labels"]): string => JSON.stringify([name, labels ?? {}]);

/** Undefined: the server keeps none. Fails: `InvalidConfig`. */
export const auditDesk = Effect.fnUntraced(function* ({ audit, auditKey }: Config, alerts: Alerts) {
  if (audit === undefined) return undefined;
  const log: AuditLog = yield* auditFile({ file: audit, key: auditKey, clock: systemClock, alerts });
  return log;
});
