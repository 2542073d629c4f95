/**
 * The unfinished runs in the store that no desk of this process watches (L16): what a former process left behind, found
 * at start and by a sweep from then on. Each costs one entry on the deadline wheel; no door waits for them, and none is
 * brought back before it must be ended. A runner that stays silent for its lease is shown as stalled, and interrupted
 * after the grace period. Where other processes serve the log as well, a run of theirs is watched the same way: by what it
 * says, its fence, and the mark of its lease, on this process' own clock.
 */
import type { RunKey } from "../../protocol/ids.ts";
import { runKey } from "../../protocol/ids.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import { Lane } from "./lane.ts";
import { keyedRun, LeaseMarks } from "./lease-marks.ts";
import { RunDesk } from "./run-desk.ts";
import type { Runs } from "./runs.ts";
import { SharedOrphans } from "./shared-orphans.ts";
import { spread } from "./spread.ts";
import type { Views } from "./views.ts";

const pageSize = 500;
/** Between two looks, while the log does not answer. */
const retryMs = 1_000;
/** From the end of one sweep to the next. */
const sweepMs = 30_000;
/** Marks of runs that are not among the living, which one sweep looks after. */
const maxTidied = 500;
/** Orphans that are looked at at once: enough to keep the log busy, few enough to leave it to those who wait. */
const maxLooks = 16;

export interface OrphansTerms {
  readonly log: EventLog;
  readonly clock: Pick<Clock, "random" | "mono">;
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
  /** Where the mark of its lease stood. */
  mark: number;
  isStalled: boolean;
  /** Of one that is stalled: when the grace is over. */
  lostMono: number;
  isLookedAt: boolean;
  deadline: Deadline;
}

export class Orphans {
  private readonly terms: OrphansTerms;
  private readonly watched = new Map<RunKey, Orphan>();
  private readonly looks = new Lane(maxLooks);
  /** Undefined: nobody else serves the log. */
  private readonly marks: LeaseMarks | undefined;
  /** Undefined: nobody else serves the log, or nobody asks here. */
  private shared: SharedOrphans | undefined;
  /** ISO 8601 UTC. */
  private readonly bornAt: string;
  private stopped = false;

  constructor(terms: OrphansTerms) {
    this.terms = terms;
    this.bornAt = terms.timeText();
    if (terms.log.isShared) this.marks = new LeaseMarks(terms.log);
  }

  /**
   * Looks through the store, now and ever after. `onOrphan` hears of each run that is found the first time round and
   * was there before; where others serve the log too, of each that turns silent. Never rejects.
   */
  async sweep(onOrphan?: (record: RunRecord) => void): Promise<void> {
    if (this.marks !== undefined && onOrphan !== undefined) {
      this.shared = new SharedOrphans({ ...this.terms, tell: (record) => this.tell(onOrphan, record) });
      await this.shared.tidy();
    }
    let before: string | undefined;
    const marks = this.marks === undefined ? noMarks() : await this.allMarks(this.marks);
    do {
      const page = await this.page(before);
      if (page === undefined) return;
      for (const record of page.runs) {
        const key = runKey(record.tenantId, record.runId);
        const mark = marks.get(key) ?? 0;
        marks.delete(key);
        if (this.watch(record, mark)) {
          if (onOrphan && this.shared === undefined && record.startedAt <= this.bornAt) this.tell(onOrphan, record);
        } else if (this.marks !== undefined) this.note(key, record, mark);
      }
      before = page.next ?? undefined;
    } while (before !== undefined);
    if (this.marks !== undefined) await this.tidy(this.marks, marks);
    this.terms.deadlines.after(this.sweepMs, () => void this.sweep());
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

  /** Another process has written to the stream of this run, which is called silent here: it may have been heard. */
  heard(key: RunKey): void {
    const orphan = this.watched.get(key);
    if (orphan?.isStalled) this.look(key, orphan);
  }

  /** A run is called silent at this node, or is not any more. */
  silent(record: RunRecord, isSilent: boolean): void {
    this.shared?.note(record, isSilent);
  }

  private get sweepMs(): number {
    return this.marks === undefined ? sweepMs : spread(this.terms.clock, sweepMs);
  }

  private async allMarks(marks: LeaseMarks): Promise<Map<RunKey, number>> {
    try {
      return await marks.all();
    } catch (cause) {
      // Without them a run is looked at by itself before it is called silent.
      this.terms.journal.write("warn", "orphans.marksNotRead", { cause });
      return noMarks();
    }
  }

  /** A run that is watched already was seen again. */
  private note(key: RunKey, record: RunRecord, mark: number): void {
    const orphan = this.watched.get(key);
    if (orphan === undefined || !hasMoved(orphan, record, mark)) return;
    this.hearOf(orphan, record, mark);
    this.waitFor(key, orphan, record.leaseMs);
  }

  private hearOf(orphan: Orphan, record: RunRecord, mark: number): void {
    if (orphan.isStalled) this.terms.onStalled(orphan.record, false);
    orphan.isStalled = false;
    orphan.record = record;
    orphan.mark = mark;
  }

  /** Marks that are left: of runs that have ended, or are gone. */
  private async tidy(marks: LeaseMarks, left: ReadonlyMap<RunKey, number>): Promise<void> {
    try {
      for (const [key, version] of [...left].slice(0, maxTidied)) {
        const { tenantId, runId } = keyedRun(key);
        const record = await this.terms.log.run(tenantId, runId);
        if (record === undefined || record.ended !== undefined) await marks.remove(key, version);
      }
    } catch (cause) {
      this.terms.journal.write("debug", "orphans.marksNotTidied", { cause });
    }
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
    try {
      onOrphan(record);
    } catch (cause) {
      this.terms.journal.write("error", "orphans.listenerFailed", { runId: record.runId, cause });
    }
  }

  /** False: somebody watches it already. */
  private watch(record: RunRecord, mark: number): boolean {
    const { runs, deadlines } = this.terms;
    const { tenantId, runId, leaseMs } = record;
    const key = runKey(tenantId, runId);
    if (this.stopped || this.watched.has(key) || runs.atHand(tenantId, runId)) return false;
    const deadline = deadlines.after(leaseMs, () => this.look(key, orphan));
    const orphan: Orphan = { record, mark, isStalled: false, lostMono: 0, isLookedAt: false, deadline };
    this.watched.set(key, orphan);
    return true;
  }

  /** It is due: in its turn, and again later if the log does not answer. */
  private look(key: RunKey, orphan: Orphan): void {
    if (orphan.isLookedAt) return;
    orphan.isLookedAt = true;
    this.looks.add(async () => {
      try {
        await this.judge(key, orphan);
      } catch {
        this.waitFor(key, orphan, retryMs);
      } finally {
        orphan.isLookedAt = false;
      }
    });
  }

  private async judge(key: RunKey, orphan: Orphan): Promise<void> {
    const { log, clock, views, runs, graceMs, onStalled } = this.terms;
    const { tenantId, runId, seq, fence, leaseMs } = orphan.record;
    const isMine = (): boolean => this.watched.get(key) === orphan;
    if (!isMine()) return;
    const record = await log.run(tenantId, runId);
    const mark = this.marks === undefined ? 0 : await this.marks.version(key);
    if (!isMine()) return;
    if (record === undefined || record.ended !== undefined) {
      if (orphan.isStalled) onStalled(orphan.record, false);
      orphan.isStalled = false;
      return void this.watched.delete(key);
    }
    // Another process serves it: its runner has been heard since.
    if (hasMoved(orphan, record, mark)) {
      this.hearOf(orphan, record, mark);
      return this.waitFor(key, orphan, leaseMs);
    }
    const leftMs = orphan.isStalled ? orphan.lostMono - clock.mono() : 0;
    if (leftMs > 0) return this.waitFor(key, orphan, leftMs);
    const view = orphan.isStalled ? undefined : await views.view(record);
    if (!isMine()) return;
    // It waits for a human, or to be stopped: its desk keeps its dates.
    const hasDates = view !== undefined && (view.state === "suspended" || view.cancelling === true);
    if (!orphan.isStalled && !hasDates) {
      orphan.isStalled = true;
      orphan.lostMono = clock.mono() + graceMs;
      onStalled(record, true);
      return this.waitFor(key, orphan, graceMs);
    }
    // Its desk takes it out of here.
    const found = await runs.find(tenantId, runId);
    if (!(found instanceof RunDesk)) return;
    if (hasDates) found.lease.lapse();
    else void found.interrupt("lease_expired", () => found.run.seq === seq && found.run.fence === fence);
  }

  private waitFor(key: RunKey, orphan: Orphan, delayMs: number): void {
    if (this.watched.get(key) !== orphan) return;
    orphan.deadline.cancel();
    orphan.deadline = this.terms.deadlines.after(delayMs, () => this.look(key, orphan));
  }
}

const noMarks = (): Map<RunKey, number> => new Map();
const hasMoved = ({ record, mark }: Orphan, { seq, fence }: RunRecord, now: number): boolean =>
  record.seq !== seq || record.fence !== fence || mark !== now;
