/**
 * The desks of this process, one for each run that it has at hand: found, brought back from the log, and let go. Between
 * `runs`, which answers publishers, and `live-run`, which writes.
 */
import type { RunId, RunKey, TenantId } from "../../protocol/ids.ts";
import { runKey } from "../../protocol/ids.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import { Family } from "./family.ts";
import { FollowedRuns } from "./followed-runs.ts";
import { LeaseMark, LeaseMarks } from "./lease-marks.ts";
import { LiveRun } from "./live-run.ts";
import type { PastDate } from "./run-actor.ts";
import { replay, runLogic } from "./run-actor.ts";
import type { DeskTerms } from "./run-desk.ts";
import { RunDesk } from "./run-desk.ts";
import type { RunEnd, RunHost } from "./run-host.ts";
import type { RunsTerms } from "./runs-terms.ts";

/** From a write of unknown outcome to the look at what became of it, while the log does not answer. */
const lookAfterMs = 1_000;

export class Desks {
  readonly family: Family;
  private readonly terms: RunsTerms;
  private readonly log: EventLog;
  readonly host: RunHost;
  private readonly onInterrupted: () => void;
  private readonly desks = new Map<RunKey, RunDesk>();
  private readonly comingBack = new Map<RunKey, Promise<RunDesk | RunRecord | undefined>>();
  /** Desks that a write of unknown outcome has ended, until the next one adopts what they held. */
  private readonly lost = new Map<RunKey, RunDesk>();
  /** Undefined: nobody else writes to the log. */
  private readonly followed: FollowedRuns | undefined;
  private readonly marks: LeaseMarks;

  constructor(terms: RunsTerms, hostOf: (desks: Desks) => RunHost, onInterrupted: () => void) {
    this.terms = terms;
    this.log = terms.settings.log;
    this.onInterrupted = onInterrupted;
    this.marks = new LeaseMarks(this.log);
    if (this.log.isShared) this.followed = new FollowedRuns(this.log, terms.deadlines);
    this.family = new Family({
      log: this.log,
      journal: terms.settings.journal,
      atHand: (...run) => this.atHand(...run),
      find: (...run) => this.find(...run),
      comingBack: (...run) => this.comingBack.get(runKey(...run)),
    });
    this.host = hostOf(this);
  }

  get count(): number {
    return this.desks.size;
  }

  all(): Iterable<RunDesk> {
    return this.desks.values();
  }

  /** The desk, when this process has the run at hand. */
  atHand(tenantId: TenantId, runId: RunId): RunDesk | undefined {
    return this.desks.get(runKey(tenantId, runId));
  }

  /** The run's desk while it lives, its record when it has ended, undefined when there is none. */
  async find(tenantId: TenantId, runId: RunId): Promise<RunDesk | RunRecord | undefined> {
    const key = runKey(tenantId, runId);
    const desk = this.desks.get(key);
    if (desk && !desk.run.isOver) return desk;
    // A terminal on its way to the disk: what comes next is answered once it is there.
    if (desk) await desk.run.settled();
    const underWay = this.comingBack.get(key);
    const joined = underWay && (await underWay);
    // What was not there when that look began may be there by now.
    if (joined !== undefined) return joined;
    const back = this.bringBack(tenantId, runId).finally(() => this.comingBack.delete(key));
    this.comingBack.set(key, back);
    return back;
  }

  /** The same, with what other processes wrote of it until now. Fails: `LogUnavailable`. */
  async findFresh(tenantId: TenantId, runId: RunId): Promise<RunDesk | RunRecord | undefined> {
    const found = await this.find(tenantId, runId);
    if (!(found instanceof RunDesk && found.run.isShared)) return found;
    await found.run.refresh();
    return found.run.isOver ? this.find(tenantId, runId) : found;
  }

  /** Brings back a run that nobody may ask for again, so that its lease is watched (L16). */
  lookAfter(record: Pick<RunRecord, "tenantId" | "runId" | "parentRunId">): void {
    this.terms.deadlines.after(lookAfterMs, () => {
      const { tenantId, runId } = record;
      void this.find(tenantId, runId).then(
        (found) => {
          if (found === undefined) this.family.tellParent(record, (parent) => parent.childEnded(runId));
        },
        () => this.lookAfter(record),
      );
    });
  }

  /** One run is one desk: who comes second gets the one that is there. */
  sit(run: LiveRun, past?: readonly PastDate[], markVersion = 0): RunDesk {
    const there = this.atHand(run.record.tenantId, run.record.runId);
    if (there && !there.run.isOver) {
      this.terms.supervisor.release(run.actor);
      return there;
    }
    const { settings, deadlines, onStalled } = this.terms;
    const key = runKey(run.record.tenantId, run.record.runId);
    const terms: DeskTerms = {
      clock: settings.clock,
      deadlines,
      journal: settings.journal,
      graceMs: settings.graceMs,
      onStalled,
      onInterrupted: this.onInterrupted,
      stopChildren: (...request) => this.family.stopChildren(...request),
      shared: this.followed && {
        mark: new LeaseMark(this.marks, settings.clock, { key, leaseMs: run.record.leaseMs }, markVersion),
        follow: (now) => this.followed?.follow(now.run) ?? (() => {}),
        letGo: (now) => this.drop(now.run, "elsewhere"),
      },
    };
    const desk = new RunDesk(run, terms, past);
    this.desks.set(key, desk);
    if (this.terms.takeOrphan(key)) desk.lease.goOnStalled();
    return desk;
  }

  /** It is over, or not ours. */
  drop(run: LiveRun, end: RunEnd): void {
    const { tenantId, runId } = run.record;
    const key = runKey(tenantId, runId);
    const isAlive = end === "unknown" || end === "fenced" || end === "elsewhere";
    if (!isAlive) this.family.tellParent(run.record, (parent) => parent.childEnded(runId));
    const desk = this.desks.get(key);
    if (desk?.run !== run) return;
    this.desks.delete(key);
    desk.end(end);
    this.terms.supervisor.release(run.actor);
    if (!isAlive || end === "elsewhere") return;
    if (end === "unknown") this.lost.set(key, desk);
    this.lookAfter(run.record);
  }

  private async bringBack(tenantId: TenantId, runId: RunId): Promise<RunDesk | RunRecord | undefined> {
    const key = runKey(tenantId, runId);
    const before = this.lost.get(key);
    // What the lost desk has under way may still be written.
    await before?.run.settled();
    const record = await this.log.run(tenantId, runId);
    if (record === undefined || record.ended !== undefined) {
      this.lost.delete(key);
      before?.end(record?.ended ?? "interrupted");
      if (record) this.family.tellParent(record, (parent) => parent.childEnded(runId));
      return record;
    }
    const markVersion = this.followed && (await this.marks.version(key));
    const { runs, epoch } = await this.log.living(record.stream);
    // A store in trouble is not asked for all of a long run again and again.
    const basis = before?.basisIn(epoch, record);
    const actor = this.host.actor(record, basis && runLogic.getPersistedSnapshot(basis.snapshot));
    const dates = await replay(this.log, record, actor, basis?.seq ?? 0);
    const run = new LiveRun(this.host, record, actor, false);
    run.epoch = epoch;
    run.countChildren(0);
    const desk = this.sit(run, [...(basis?.past ?? []), ...dates], markVersion);
    for (const child of runs) if (child.parentRunId === runId) desk.childStarted(child.runId);
    if (before) desk.adopt(before);
    this.lost.delete(key);
    return desk;
  }
}
