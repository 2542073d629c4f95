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
  | "revocation_lifted"
  | "flags_changed"
  | "flags_rolled_back"
  | "breaker_reset"
  | "notice_told"
  /** A process took the audit log up: what it found torn or missing is in `details`. */
  | "audit_opened"
  /** So many entries found no room while the log could not be written. */
  | "audit_lost";

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

/** An entry as it was written down. */
export interface AuditRecord extends AuditEntry {
  /** From 1, without a hole. */
  readonly n: number;
  /** ISO 8601: when it was recorded. */
  readonly time: string;
  readonly hash: string;
}

export interface AuditQuery {
  /** Only entries behind this one. */
  readonly after: number;
  readonly limit: number;
  /** Which entries the reader may see. */
  readonly sees: (entry: AuditEntry) => boolean;
}

export interface AuditPage {
  /** Ascending. May be fewer than `limit`, also none, where `next` is not null. */
  readonly entries: readonly AuditRecord[];
  /** The next `after`; null: there is nothing behind it yet. */
  readonly next: number | null;
}

export interface AuditLog {
  /** Takes it in order; written down within a moment. Never throws: one that cannot be written raises an alert. */
  record(entry: AuditEntry): void;
  /** What is written down, what was recorded before this call included. Undefined: it keeps nothing. */
  readonly read?: ((query: AuditQuery) => Promise<AuditPage>) | undefined;
}

export const silentAuditLog: AuditLog = { record: () => {} };
