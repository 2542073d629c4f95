/**
 * Records what strangers can cause, without letting them fill the disk: a burst is written entry by entry, what comes
 * faster is counted and written as one entry for each kind every few seconds.
 */
import type { Clock } from "../platform/clock.ts";
import type { AuditEntry, AuditLog } from "./audit-log.ts";

const maxBurst = 100;
const perSecond = 1;
const countedEveryMs = 10_000;
const msPerSecond = 1_000;

export class BoundedAudit {
  private readonly audit: AuditLog;
  private readonly clock: Clock;
  private tokens = maxBurst;
  private filledMono: number;
  private readonly counted = new Map<string, { readonly entry: AuditEntry; count: number }>();
  private cancelTimer: (() => void) | undefined;

  constructor(audit: AuditLog, clock: Clock) {
    this.audit = audit;
    this.clock = clock;
    this.filledMono = clock.mono();
  }

  /** Writes the entry, or counts it with those that `common` describes as well. */
  record(entry: AuditEntry, common: AuditEntry): void {
    if (this.takeToken()) {
      this.audit.record(entry);
      return;
    }
    const kind = JSON.stringify(common);
    const alike = this.counted.get(kind) ?? { entry: common, count: 0 };
    alike.count += 1;
    this.counted.set(kind, alike);
    this.cancelTimer ??= this.clock.after(countedEveryMs, () => this.writeCounted());
  }

  /** Writes what was counted so far. */
  writeCounted(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    for (const { entry, count } of this.counted.values())
      this.audit.record({ ...entry, details: { ...entry.details, count } });
    this.counted.clear();
  }

  private takeToken(): boolean {
    const nowMono = this.clock.mono();
    this.tokens = Math.min(maxBurst, this.tokens + ((nowMono - this.filledMono) / msPerSecond) * perSecond);
    this.filledMono = nowMono;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
