/**
 * What happens at the door, told to the audit log and, when many are not let in, to the operator. Gateway and runtime
 * report here; no token, no full address and no payload ever comes here.
 */
import type { Clock } from "../platform/clock.ts";
import type { Alerts } from "../telemetry/alerts.ts";
import type { AuditAction, AuditLog } from "./audit-log.ts";
import type { AuthFailureReason } from "./auth-failure.ts";
import { isSuspect } from "./auth-failure.ts";
import { BoundedAudit } from "./bounded-audit.ts";
import { FailureAlarm } from "./failure-alarm.ts";
import { networkOf } from "./network-of.ts";
import type { UserPrincipal } from "./principal.ts";

/** Somebody at the door. */
export interface AuthAttempt {
  readonly via: "websocket" | "sse" | "http";
  readonly address?: string | undefined;
  /** Once there is one. */
  readonly connectionId?: string | undefined;
}

type Who = Pick<UserPrincipal, "tenantId" | "userId">;

export interface AuthEventsTerms {
  readonly auditLog: AuditLog;
  readonly alerts: Alerts;
  readonly clock: Clock;
}

export class AuthEvents {
  private readonly audit: AuditLog;
  private readonly bounded: BoundedAudit;
  private readonly alarm: FailureAlarm;

  constructor({ auditLog, alerts, clock }: AuthEventsTerms) {
    this.audit = auditLog;
    this.bounded = new BoundedAudit(auditLog, clock);
    this.alarm = new FailureAlarm(alerts, clock);
  }

  /** Somebody wants to open a stream. */
  started(attempt: AuthAttempt): void {
    this.bound("auth_started", attempt);
  }

  /** A credential is being checked. */
  validating(attempt: AuthAttempt): void {
    this.bound("auth_validating", attempt);
  }

  /** A connection is its user's, or is so for longer. */
  completed(attempt: AuthAttempt, who: Who): void {
    this.write("auth_completed", attempt, who);
  }

  /** The client has taken note. */
  confirmed(attempt: AuthAttempt, who: Who): void {
    this.write("auth_confirmed", attempt, who);
  }

  /** `who`: whose connection it was, where that was known. */
  failed(attempt: AuthAttempt, reason: AuthFailureReason, who?: Who): void {
    if (isSuspect(reason)) this.alarm.count();
    this.bound("auth_failed", attempt, reason, who);
  }

  /** A connection ends because its user, its session or its key was revoked. */
  revoked(attempt: AuthAttempt, who: Who): void {
    this.write("auth_revoked", attempt, who);
  }

  stop(): void {
    this.bounded.writeCounted();
    this.alarm.stop();
  }

  /** Nobody causes these without a good credential. */
  private write(action: AuditAction, { via, address, connectionId }: AuthAttempt, who: Who): void {
    const network = networkOf(address);
    const { tenantId, userId } = who;
    this.audit.record({
      action,
      tenantId,
      userId,
      connectionId,
      details: { via, ...(network !== undefined && { network }) },
    });
  }

  private bound(action: AuditAction, attempt: AuthAttempt, reason?: AuthFailureReason, who?: Who): void {
    const { via, address, connectionId } = attempt;
    const network = networkOf(address);
    const common = { via, ...(reason !== undefined && { reason }) };
    this.bounded.record(
      {
        action,
        tenantId: who?.tenantId,
        userId: who?.userId,
        connectionId,
        details: { ...common, ...(network !== undefined && { network }) },
      },
      { action, details: common },
    );
  }
}
