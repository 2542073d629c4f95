/**
 * The living runs of this process. One run is one desk under one key; what is not here is brought back from the
 * log, and what has ended is read there. Answers of publishers come from here; the gate stands before it.
 */
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer, StartRunBody } from "../../protocol/http.ts";
import type { Fence, RunId, Seq, TenantId, UserId } from "../../protocol/ids.ts";
import { asRunId, streamKey } from "../../protocol/ids.ts";
import type { RunState } from "../../protocol/run-view.ts";
import { LogUnavailable, NotFound, RunEnded } from "../errors.ts";
import type { Append, EventLog, NewRun, RunRecord } from "../log/event-log.ts";
import { Apart } from "./apart.ts";
import { newRun, requireSame, startEvent } from "./birth.ts";
import type { PayloadPolicy } from "./contamination.ts";
import { Desks } from "./desks.ts";
import { livingParent } from "./family.ts";
import { LateEvents } from "./late-events.ts";
import { LiveRun } from "./live-run.ts";
import { Receipt } from "./receipt.ts";
import { RunDesk } from "./run-desk.ts";
import { spawnRun } from "./run-actor.ts";
import type { PublishTerms, RunHost } from "./run-host.ts";
import type { RunsCounts, RunsTerms, StartedRun } from "./runs-terms.ts";

/** `log/event-log`: a run is made with this one. */
const firstFence: Fence = 1;

export class Runs {
  readonly counts: RunsCounts = { eventsAccepted: 0, eventsRefused: 0, runsInterrupted: 0 };
  private readonly terms: RunsTerms;
  private readonly log: EventLog;
  private readonly desks: Desks;
  private readonly host: RunHost;
  private readonly late: LateEvents;

  constructor(terms: RunsTerms) {
    this.terms = terms;
    this.log = terms.settings.log;
    const apart = new Apart(this.log, terms.timeText);
    this.desks = new Desks(
      terms,
      (desks) => this.hostOf(desks, apart),
      () => {
        this.counts.runsInterrupted += 1;
      },
    );
    this.host = this.desks.host;
    this.late = new LateEvents(this.log, apart, this.host, this.host.countRefused);
  }

  /** What happens to payloads that name somebody else, for who lets them in by another way. */
  get policy(): PayloadPolicy {
    return this.host;
  }

  get livingCount(): number {
    return this.desks.count;
  }

  all(): Iterable<RunDesk> {
    return this.desks.all();
  }

  /** The desk, when this process has the run at hand. */
  atHand(tenantId: TenantId, runId: RunId): RunDesk | undefined {
    return this.desks.atHand(tenantId, runId);
  }

  /** The run's desk while it lives, its record when it has ended, undefined when there is none. */
  find(tenantId: TenantId, runId: RunId): Promise<RunDesk | RunRecord | undefined> {
    return this.desks.find(tenantId, runId);
  }

  /** The same, with what other processes wrote of it until now. Fails: `LogUnavailable`. */
  findFresh(tenantId: TenantId, runId: RunId): Promise<RunDesk | RunRecord | undefined> {
    return this.desks.findFresh(tenantId, runId);
  }

  /**
   * Makes a run, or answers as before when the same call had made it.
   *
   * Fails: `RunExists` for another body, `NotFound`/`RunEnded` for the parent, `Contaminated`, `LogUnavailable`.
   */
  async start(tenantId: TenantId, body: StartRunBody, traceparent?: string): Promise<StartedRun> {
    const stream = streamKey(tenantId, body.userId as UserId);
    const recalled = this.terms.userTerms.recall(stream);
    if (recalled !== undefined) await recalled;
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
      run: {
        ...{ tenantId, runId, expectedSeq: 0, create: record, isNewId: body.runId === undefined },
        asksFamily: parent?.run.isShared,
      },
      durability: record.mode === "performance" ? "os" : undefined,
    };
    const appended = await this.log.append(append).catch((cause: unknown) => {
      // It may be there, and then somebody must watch it.
      this.desks.lookAfter(record);
      throw cause;
    });
    if (appended.kind !== "appended" && isReserved) parent?.childEnded(runId);
    if (appended.kind === "no_parent") {
      await parent?.run.refresh();
      // It ended where another process wrote: asked again it says so.
      if (parent?.run.isOver) return this.start(tenantId, { ...body, runId }, traceparent);
    }
    if (appended.kind === "run_exists") return this.asBefore(appended.run, record);
    if (appended.kind !== "appended")
      throw new LogUnavailable({ message: `the run was not made: ${appended.kind}`, retryAfterMs: 0 });
    const { epoch, offset, seq, fence } = appended;
    const actor = this.host.actor(record);
    actor.send({ type: "agent_started", data: { agent: body.agent } });
    const live: RunRecord = { ...record, fence, seq, firstOffset: offset, lastOffset: offset };
    const run = new LiveRun(this.host, live, actor, true);
    run.epoch = epoch;
    const desk = this.desks.sit(run);
    this.desks.family.tellParent(live, (now) => now.childStarted(runId));
    // Whoever asked it to stop elsewhere, before this child was there, asked it in vain for that one.
    parent?.run.refresh().catch(() => {});
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
    // It has ended where another process wrote.
    if (claimed === undefined) await desk.run.refresh();
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

  private hostOf(desks: Desks, apart: Apart): RunHost {
    const { terms } = this;
    return {
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
      drop: (run, end) => desks.drop(run, end),
      late: (...said) => this.late.answer(...said),
      findChildren: async ({ record }) => {
        const children = await desks.family.childrenOf(record);
        desks.atHand(record.tenantId, record.runId)?.setChildren(children);
      },
    };
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
