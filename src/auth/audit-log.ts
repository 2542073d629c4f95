/**
 * Who was let in, who was not, and what operators changed: PORT. Append-only and hash-chained in its adapter, so that a
 * changed, removed or reordered line is found (`runcast audit verify`).
 */
export type AuditAction =
  | "auth_started"
  | "auth_validating"
  | "auth_completed"
  | "auth_confirmed"
  | "auth_failed"
  | "auth_revoked"
  | "flags_changed"
  | "flags_rolled_back"
  | "breaker_reset"
  | "notice_told";

export interface AuditEntry {
  readonly action: AuditAction;
  readonly tenantId?: string | undefined;
  readonly userId?: string | undefined;
  readonly connectionId?: string | undefined;
  /** Who did it, where that is not the user: `key:<name>`, `app`, `supervisor`. */
  readonly by?: string | undefined;
  /** Few, short, without secrets. */
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined;
}

export interface AuditLog {
  /** Takes it in order; written down within a moment. Never throws: one that cannot be written raises an alert. */
  record(entry: AuditEntry): void;
}

export const silentAuditLog: AuditLog = { record: () => {} };
