/**
 * The living runs of this process. One run is one desk under one key; what is not here is brought back from the
 * log, and what has ended is read there. Answers of publishers come from here; the gate stands before it.
 */
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer, StartRunBody } from "../../protocol/http.ts";
import type { Fence, RunId, RunKey, Seq, TenantId, UserId } from "../../protocol/ids.ts";
import { asRunId, runKey, streamKey } from "../../protocol/ids.ts";
import type { RunState } from "../../protocol/run-view.ts";
import { LogUnavailable, NotFound, RunEnded } from "../errors.ts";
import type { Append, EventLog, NewRun, RunRecord } from "../log/event-log.ts";
import { Apart } from "./apart.ts";
import { newRun, requireSame, startEvent } from "./birth.ts";
import type { PayloadPolicy } from "./contamination.ts";
import { Family, livingParent } from "./family.ts";
import { LateEvents } from "./late-events.ts";
import { LiveRun } from "./live-run.ts";
import { Receipt } from "./receipt.ts";
import type { DeskTerms } from "./run-desk.ts";
import { RunDesk } from "./run-desk.ts";
import type { PastDate } from "./run-actor.ts";
import { replay, spawnRun } from "./run-actor.ts";
import type { PublishTerms, RunEnd, RunHost } from "./run-host.ts";
import type { RunsCounts, RunsTerms, StartedRun } from "./runs-terms.ts";

/** From a write of unknown outcome to the look at what became of it, while the log does not answer. */
const lookAfterMs = 1_000;
/** `log/event-log`: a run is made with this one. */
const firstFence: Fence = 1;

export class Runs {
  readonly counts: RunsCounts = { eventsAccepted: 0, eventsRefused: 0, runsInterrupted: 0 };
  private readonly terms: RunsTerms;
  private readonly log: EventLog;
  private readonly desks = new Map<RunKey, RunDesk>();
  private readonly comingBack = new Map<RunKey, Promise<RunDesk | RunRecord | undefined>>();
  /** Desks that a write of unknown outcome has ended, until the next one adopts what they held. */
  private readonly lost = new Map<RunKey, RunDesk>();
  private readonly host: RunHost;
  private readonly late: LateEvents;
  private readonly family: Family;

  constructor(terms: RunsTerms) {
    this.terms = terms;
    this.log = terms.settings.log;
    const apart = new Apart(this.log, terms.timeText);
    this.family = new Family({
      journal: terms.settings.journal,
      atHand: (...run) => this.atHand(...run),
      find: (...run) => this.find(...run),
      comingBack: (...run) => this.comingBack.get(runKey(...run)),
    });
    this.host = {
      log: this.log,
      nextId: terms.nextId,
      timeText: terms.timeText,
      isCritical: terms.isCritical,
      contaminationOf: (owner) => terms.userTerms.contaminationOf(owner),
      countContaminated: terms.onContaminated,
      countAccepted: (events) => {
        this.counts.eventsAccepted += events;
      },
      countRefused: (events) => {
        this.counts.eventsRefused += events;
      },
      actor: (record, snapshot) => spawnRun(terms.supervisor, terms.settings.journal, record, snapshot),
      release: (actor) => terms.supervisor.release(actor),
      apart,
      drop: (run, end) => this.drop(run, end),
    };
    this.late = new LateEvents(this.log, apart, this.host, this.host.countRefused);
  }

  /** What happens to payloads that name somebody else, for who lets them in by another way. */
  get policy(): PayloadPolicy {
    return this.host;
  }

  get livingCount(): number {
    return this.desks.size;
  }

  all(): Iterable<RunDesk> {
    return this.desks.values();
  }

  /** The desk, when this process has the run at hand. */
  atHand(tenantId: TenantId, runId: RunId): RunDesk | undefined {
    return this.desks.get(runKey(tenantId, runId));
  }

  /**
   * Makes a run, or answers as before when the same call had made it.
   *
   * Fails: `RunExists` for another body, `NotFound`/`RunEnded` for the parent, `Contaminated`, `LogUnavailable`.
   */
  async start(tenantId: TenantId, body: StartRunBody, traceparent?: string): Promise<StartedRun> {
    const stream = streamKey(tenantId, body.userId as UserId);
    const runId = asRunId(body.runId ?? this.terms.nextId());
    const parent =
      body.parentRunId === undefined
        ? undefined
        : livingParent(await this.find(tenantId, asRunId(body.parentRunId)), stream);
    const { settings, timeText, userTerms } = this.terms;
    const userId = body.userId as UserId;
    const mode = userTerms.modeOf(tenantId, userId);
    const deadlineMs = userTerms.deadlineOf(tenantId, userId, body.deadlineMs);
    const birth = { tenantId, runId, body, leaseMs: settings.leaseMs, mode, deadlineMs, time: timeText() };
    const record = newRun(birth);
    const event = startEvent(birth, this.terms.nextId(), this.host, traceparent);
    // It ended while we came here: asked again it says so.
    if (parent?.run.isOver) return this.start(tenantId, { ...body, runId }, traceparent);
    // Before it is written: its parent must not complete meanwhile.
    const isReserved = parent?.reserveChild(runId) ?? false;
    const append: Append = {
      stream,
      events: [event],
      run: { tenantId, runId, expectedSeq: 0, create: record, isNewId: body.runId === undefined },
      durability: record.mode === "performance" ? "os" : undefined,
    };
    const appended = await this.log.append(append).catch((cause: unknown) => {
      // It may be there, and then somebody must watch it.
      this.lookAfter(record);
      throw cause;
    });
    if (appended.kind !== "appended" && isReserved) parent?.childEnded(runId);
    if (appended.kind === "run_exists") return this.asBefore(appended.run, record);
    if (appended.kind !== "appended")
      throw new LogUnavailable({ message: `the run was not made: ${appended.kind}`, retryAfterMs: 0 });
    const { epoch, offset, seq, fence } = appended;
    const actor = this.host.actor(record);
    actor.send({ type: "agent_started", data: { agent: body.agent } });
    const live: RunRecord = { ...record, fence, seq, firstOffset: offset, lastOffset: offset };
    const desk = this.sit(new LiveRun(this.host, live, actor, true));
    this.family.tellParent(live, (now) => now.childStarted(runId));
    this.counts.eventsAccepted += 1;
    return { answer: { runId, fence, seq, offset, epoch }, created: true, desk };
  }

  /** Publishes to a run of this tenant; `stream` narrows it to one owner. */
  async publish(
    tenantId: TenantId,
    runId: RunId,
    events: readonly EventInput[],
    terms: PublishTerms,
  ): Promise<PublishAnswer> {
    const found = await this.find(tenantId, runId);
    if (found === undefined) throw new NotFound({ what: "run" });
    if (!(found instanceof RunDesk)) return this.late.answer(found, events, terms);
    return this.publishTo(found, events, terms);
  }

  /** The same, for who holds the desk: nothing is looked up. */
  publishTo(desk: RunDesk, events: readonly EventInput[], terms: PublishTerms): Receipt {
    return desk.run.publish(events, terms);
  }

  /** The desk that stands for this one now: after a write of unknown outcome it is another. */
  current(desk: RunDesk): RunDesk {
    const { tenantId, runId } = desk.run.record;
    return desk.run.isOver ? (this.atHand(tenantId, runId) ?? desk) : desk;
  }

  /** For an embedded runner: a desk that was lost to a failed write is found again. */
  publishAs(desk: RunDesk, events: readonly EventInput[], terms: PublishTerms): Receipt {
    if (!desk.run.isOver) return this.publishTo(desk, events, terms);
    const { tenantId, runId } = desk.run.record;
    const answer = this.publish(tenantId, runId, events, terms);
    // It is under way whether or not anybody asks what became of it.
    answer.catch(() => {});
    return new Receipt(() => answer);
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

  /** Undefined: there is no such run. */
  async stateOf(tenantId: TenantId, runId: RunId): Promise<RunState | undefined> {
    const found = await this.find(tenantId, runId);
    return found instanceof RunDesk ? found.run.state : found?.ended;
  }

  /** Takes a run over: the older fence is dead from here on. */
  async claim(tenantId: TenantId, runId: RunId): Promise<{ desk: RunDesk; fence: Fence; seq: Seq }> {
    const desk = await this.find(tenantId, runId);
    if (desk === undefined) throw new NotFound({ what: "run" });
    if (!(desk instanceof RunDesk)) throw new RunEnded({ state: desk.ended ?? "completed" });
    await desk.run.settled();
    const claimed = await this.log.claim(tenantId, runId);
    // A write of the older runner may have met the new fence, or ended the run, while the log was asked.
    const now = await this.find(tenantId, runId);
    if (now === undefined) throw new NotFound({ what: "run" });
    if (!(now instanceof RunDesk)) throw new RunEnded({ state: now.ended ?? "completed" });
    if (claimed === undefined)
      throw new LogUnavailable({ message: "the run could not be claimed; repeat the call", retryAfterMs: 0 });
    now.run.fence = Math.max(now.run.fence, claimed.fence);
    now.takenOver();
    return { desk: now, ...claimed };
  }

  /** Brings back a run that nobody may ask for again, so that its lease is watched (L16). */
  private lookAfter(record: Pick<RunRecord, "tenantId" | "runId" | "parentRunId">): void {
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
  private sit(run: LiveRun, past?: readonly PastDate[]): RunDesk {
    const there = this.atHand(run.record.tenantId, run.record.runId);
    if (there && !there.run.isOver) {
      this.terms.supervisor.release(run.actor);
      return there;
    }
    const { settings, deadlines, onStalled } = this.terms;
    const terms: DeskTerms = {
      clock: settings.clock,
      deadlines,
      journal: settings.journal,
      graceMs: settings.graceMs,
      onStalled,
      onInterrupted: () => {
        this.counts.runsInterrupted += 1;
      },
      stopChildren: (...request) => this.family.stopChildren(...request),
    };
    const desk = new RunDesk(run, terms, past);
    const key = runKey(run.record.tenantId, run.record.runId);
    this.desks.set(key, desk);
    if (this.terms.takeOrphan(key)) desk.lease.goOnStalled();
    return desk;
  }

  private drop(run: LiveRun, end: RunEnd): void {
    const { tenantId, runId } = run.record;
    const key = runKey(tenantId, runId);
    const isAlive = end === "unknown" || end === "fenced";
    if (!isAlive) this.family.tellParent(run.record, (parent) => parent.childEnded(runId));
    const desk = this.desks.get(key);
    if (desk?.run !== run) return;
    this.desks.delete(key);
    desk.end(end);
    this.terms.supervisor.release(run.actor);
    if (!isAlive) return;
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
    const actor = this.host.actor(record);
    const past = await replay(this.log, record, actor);
    const { runs } = await this.log.living(record.stream);
    const desk = this.sit(new LiveRun(this.host, record, actor, false), past);
    for (const child of runs) if (child.parentRunId === runId) desk.childStarted(child.runId);
    if (before) desk.adopt(before);
    this.lost.delete(key);
    return desk;
  }

  private async asBefore(there: RunRecord, wanted: NewRun): Promise<StartedRun> {
    requireSame(there, wanted);
    const { tenantId, runId, stream, firstOffset } = there;
    const { epoch } = await this.log.position(stream);
    const found = await this.find(tenantId, runId);
    return {
      // The answer of then: after a claim its fence is as dead as it would be for a runner that had it in time (L14).
      answer: { runId, fence: firstFence, seq: 1, offset: firstOffset, epoch },
      created: false,
      desk: found instanceof RunDesk ? found : undefined,
    };
  }
}
