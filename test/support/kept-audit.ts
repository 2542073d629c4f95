/** An audit log in memory: what was recorded, as it is read back. */
import { chainStart, nextLine } from "../../src/auth/audit-chain.ts";
import type { AuditEntry, AuditLog, AuditQuery, AuditRecord } from "../../src/auth/audit-log.ts";

export class KeptAudit implements AuditLog {
  readonly entries: AuditEntry[] = [];
  private readonly records: AuditRecord[] = [];
  private end = chainStart;

  record(entry: AuditEntry): void {
    const time = new Date().toISOString();
    this.end = nextLine(this.end, entry, time, undefined).end;
    this.entries.push(entry);
    this.records.push({ ...this.end, time, ...entry });
  }

  async read({ after, limit, sees }: AuditQuery) {
    const entries = this.records.filter((record) => record.n > after && sees(record)).slice(0, limit);
    const last = entries.at(-1)?.n;
    return { entries, next: entries.length === limit && last !== undefined ? last : null };
  }

  /** Actions in order, of one user where one is named. */
  actions(userId?: string): string[] {
    return this.entries.filter((entry) => userId === undefined || entry.userId === userId).map(({ action }) => action);
  }
}
