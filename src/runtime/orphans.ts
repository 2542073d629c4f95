/**
 * The unfinished runs in the store that no desk of this process watches (L16): what a former process left behind, found
 * at start and by a sweep from then on. Each costs one entry on the deadline wheel; no door waits for them, and none is
 * brought back before it must be ended. A runner that stays silent for its lease is shown as stalled, and interrupted
 * after the grace period.
 */
import type { RunKey } from "../../protocol/ids.ts";
import { runKey } from "../../protocol/ids.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import { Lane } from "./lane.ts";
import { RunDesk } from "./run-desk.ts";
import type { Runs } from "./runs.ts";
import type { Views } from "./views.ts";

const pageSize = 500;
/** Between two looks, while the log does not answer. */
const retryMs = 1_000;
/** From the end of one sweep to the next. */
const sweepMs = 30_000;
/** Orphans that are looked at at once: enough to keep the log busy, few enough to leave it to those who wait. */
const maxLooks = 16;

export interface OrphansTerms {
  readonly log: EventLog;
  readonly deadlines: Deadlines;
  readonly runs: Runs;
  readonly views: Views;
  readonly graceMs: number;
  readonly journal: Journal;
  readonly timeText: () => string;
  /** Tells the owner's connections, beside the stream. */
  readonly onStalled: (record: RunRecord, stalled: boolean) => void;
}

interface Orphan {
  record: RunRecord;
  isStalled: boolean;
  deadline: Deadline;
}

export class Orphans {
  private readonly terms: OrphansTerms;
  private readonly watched = new Map<RunKey, Orphan>();
  private readonly looks = new Lane(maxLooks);
  /** ISO 8601 UTC. */
  private readonly bornAt: string;
  private stopped = false;

  constructor(terms: OrphansTerms) {
    this.terms = terms;
    this.bornAt = terms.timeText();
  }

  /**
   * Looks through the store, now and ever after. `onOrphan` hears of each run that is found the first time round and
   * was there before. Never rejects.
   */
  async sweep(onOrphan?: (record: RunRecord) => void): Promise<void> {
    let before: string | undefined;
    do {
      const page = await this.page(before);
      if (page === undefined) return;
      for (const record of page.runs) if (this.watch(record) && onOrphan) this.tell(onOrphan, record);
      before = page.next ?? undefined;
    } while (before !== undefined);
    this.terms.deadlines.after(sweepMs, () => void this.sweep());
  }

  /** A desk watches this run from here on. True: it is stalled, and its owner was told so. */
  take(key: RunKey): boolean {
    const orphan = this.watched.get(key);
    if (orphan === undefined) return false;
    this.watched.delete(key);
    orphan.deadline.cancel();
    return orphan.isStalled;
  }

  stop(): void {
    this.stopped = true;
    for (const { deadline } of this.watched.values()) deadline.cancel();
    this.watched.clear();
  }

  /** A page of living runs, however long the log keeps silent; undefined when nobody needs it any more. */
  private async page(before: string | undefined): Promise<Awaited<ReturnType<EventLog["runs"]>> | undefined> {
    const { log, journal, deadlines } = this.terms;
    while (!this.stopped) {
      try {
        return await log.runs({ living: true, before, limit: pageSize });
      } catch (cause) {
        journal.write("warn", "orphans.notRead", { cause });
        await new Promise<void>((resolve) => void deadlines.after(retryMs, resolve));
      }
    }
    return undefined;
  }

  /** A run that began here is no orphan, even if its desk has not been found yet. */
  private tell(onOrphan: (record: RunRecord) => void, record: RunRecord): void {
    if (record.startedAt > this.bornAt) return;
    try {
      onOrphan(record);
    } catch (cause) {
      this.terms.journal.write("error", "orphans.listenerFailed", { runId: record.runId, cause });
    }
  }

  /** False: somebody watches it already. */
  private watch(record: RunRecord): boolean {
    const { runs, deadlines } = this.terms;
    const { tenantId, runId, leaseMs } = record;
    const key = runKey(tenantId, runId);
    if (this.stopped || this.watched.has(key) || runs.atHand(tenantId, runId)) return false;
    const deadline = deadlines.after(leaseMs, () => this.look(key, orphan));
    const orphan: Orphan = { record, isStalled: false, deadline };
    this.watched.set(key, orphan);
    return true;
  }

  /** It is due: in its turn, and again later if the log does not answer. */
  private look(key: RunKey, orphan: Orphan): void {
    this.looks.add(async () => {
      try {
        await this.judge(key, orphan);
      } catch {
        this.waitFor(key, orphan, retryMs);
      }
    });
  }

  private async judge(key: RunKey, orphan: Orphan): Promise<void> {
    const { log, views, runs, graceMs, onStalled } = this.terms;
    const { tenantId, runId, seq, fence, leaseMs } = orphan.record;
    const isMine = (): boolean => this.watched.get(key) === orphan;
    if (!isMine()) return;
    const record = await log.run(tenantId, runId);
    if (!isMine()) return;
    const hasMoved = record !== undefined && (record.seq !== seq || record.fence !== fence);
    if (record === undefined || record.ended !== undefined || hasMoved) {
      if (orphan.isStalled) onStalled(orphan.record, false);
      orphan.isStalled = false;
      if (record === undefined || record.ended !== undefined) return void this.watched.delete(key);
      // Another process serves it: its runner has been heard since.
      orphan.record = record;
      return this.waitFor(key, orphan, leaseMs);
    }
    const view = orphan.isStalled ? undefined : await views.view(record);
    if (!isMine()) return;
    // It waits for a human, or to be stopped: its desk keeps its dates.
    const hasDates = view !== undefined && (view.state === "suspended" || view.cancelling === true);
    if (!orphan.isStalled && !hasDates) {
      orphan.isStalled = true;
      onStalled(record, true);
      return this.waitFor(key, orphan, graceMs);
    }
    // Its desk takes it out of here.
    const found = await runs.find(tenantId, runId);
    if (!(found instanceof RunDesk)) return;
    if (hasDates) found.lease.lapse();
    else if (found.run.seq === seq && found.run.fence === fence) found.interrupt("lease_expired");
  }

  private waitFor(key: RunKey, orphan: Orphan, delayMs: number): void {
    if (this.watched.get(key) === orphan)
      orphan.deadline = this.terms.deadlines.after(delayMs, () => this.look(key, orphan));
  }
}
