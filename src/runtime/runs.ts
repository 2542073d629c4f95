/**
 * The living runs of this process. One run is one desk under one key; what is not here is brought back from the
 * log, and what has ended is read there. Answers of publishers come from here; the gate stands before it.
 */
import type { RunFact } from "../../machines/run.ts";
import { runMachine } from "../../machines/run.ts";
import { isRunFact } from "../../machines/legality.ts";
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer, StartRunAnswer, StartRunBody } from "../../protocol/http.ts";
import type { Fence, RunId, Seq, StreamKey, TenantId, UserId } from "../../protocol/ids.ts";
import { asRunId, streamKey } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { RunState, TerminalState } from "../../protocol/run-view.ts";
import { Contaminated, KeyConflict, LogUnavailable, NotFound, RunEnded, RunExists } from "../errors.ts";
import type { EventLog, NewEvent, NewRun, ReadLimit, RunRecord, StoredEvent } from "../log/event-log.ts";
import { contaminatedPath, sanitized } from "./contamination.ts";
import { Deadlines } from "./deadlines.ts";
import { bodyDigest, eventDigest } from "./digest.ts";
import type { RunActor } from "./judge.ts";
import type { PublishTerms, RunHost } from "./live-run.ts";
import { LiveRun } from "./live-run.ts";
import type { Settings } from "./options.ts";
import type { RunKey } from "./run-desk.ts";
import { RunDesk, runKey } from "./run-desk.ts";
import type { Supervisor } from "./supervisor.ts";

const page: ReadLimit = { maxEvents: 1_000, maxBytes: 4 * 1_048_576 };
const orphanPageSize = 1_000;

export interface RunsTerms {
  readonly settings: Settings;
  readonly supervisor: Supervisor;
  readonly deadlines: Deadlines;
  readonly nextId: () => string;
  readonly timeText: () => string;
  readonly onStalled: (run: LiveRun, stalled: boolean) => void;
}

export interface RunsCounts {
  eventsAccepted: number;
  eventsRefused: number;
  contaminationRefused: number;
  runsInterrupted: number;
}

export class Runs {
  readonly counts: RunsCounts = { eventsAccepted: 0, eventsRefused: 0, contaminationRefused: 0, runsInterrupted: 0 };
  private readonly terms: RunsTerms;
  private readonly log: EventLog;
  private readonly desks = new Map<RunKey, RunDesk>();
  private readonly comingBack = new Map<RunKey, Promise<RunDesk | RunRecord | undefined>>();
  private readonly host: RunHost;

  constructor(terms: RunsTerms) {
    this.terms = terms;
    this.log = terms.settings.log;
    this.host = {
      log: this.log,
      nextId: terms.nextId,
      timeText: terms.timeText,
      contamination: terms.settings.contamination,
      countContaminated: () => {
        this.counts.contaminationRefused += 1;
      },
      countAccepted: (events) => {
        this.counts.eventsAccepted += events;
      },
      countRefused: (events) => {
        this.counts.eventsRefused += events;
      },
      actor: (record, snapshot) => this.actor(record, snapshot),
      release: (actor) => terms.supervisor.release(actor),
      drop: (run, ended) => this.drop(run, ended),
    };
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
  async start(
    tenantId: TenantId,
    body: StartRunBody,
    traceparent?: string,
  ): Promise<{ answer: StartRunAnswer; created: boolean; desk: RunDesk | undefined }> {
    const stream = streamKey(tenantId, body.userId as UserId);
    const runId = asRunId(body.runId ?? this.terms.nextId());
    const parent = body.parentRunId === undefined ? undefined : await this.parent(stream, tenantId, asRunId(body.parentRunId));
    const record = this.newRun(tenantId, stream, runId, body);
    const event = this.startEvent(record, body, body.userId as UserId, traceparent);
    const appended = await this.log.append({
      stream,
      events: [event],
      run: { tenantId, runId, expectedSeq: 0, create: record },
      durability: record.mode === "performance" ? "os" : undefined,
    });
    if (appended.kind === "run_exists") return { ...(await this.asBefore(appended.run, record)), created: false };
    if (appended.kind !== "appended")
      throw new LogUnavailable({ message: `the run was not made: ${appended.kind}`, retryAfterMs: 0 });
    const { epoch, offset, seq, fence } = appended;
    const actor = this.actor(record);
    actor.send({ type: "agent_started", data: { agent: body.agent } });
    const live: RunRecord = { ...record, fence, seq, firstOffset: offset, lastOffset: offset };
    const desk = this.sit(new LiveRun(this.host, live, actor, true));
    parent?.run.actor.send({ type: "child.started" });
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
    if (!(found instanceof RunDesk)) return this.answerEnded(found, events);
    return this.publishTo(found, events, terms);
  }

  /** The same, for who holds the desk: nothing is looked up. */
  publishTo(desk: RunDesk, events: readonly EventInput[], terms: PublishTerms): Promise<PublishAnswer> {
    return desk.run.publish(events, terms);
  }

  /** For an embedded runner: a desk that was lost to a failed write is found again. */
  publishAs(desk: RunDesk, events: readonly EventInput[], terms: PublishTerms): Promise<PublishAnswer> {
    if (!desk.run.isOver) return this.publishTo(desk, events, terms);
    const { tenantId, runId } = desk.run.record;
    return this.publish(tenantId, runId, events, terms);
  }

  /** The run's desk while it lives, its record when it has ended, undefined when there is none. */
  async find(tenantId: TenantId, runId: RunId): Promise<RunDesk | RunRecord | undefined> {
    const key = runKey(tenantId, runId);
    const desk = this.desks.get(key);
    if (desk && !desk.run.isOver) return desk;
    // A terminal on its way to the disk: what comes next is answered once it is there.
    if (desk) await desk.run.settled();
    const underWay = this.comingBack.get(key);
    if (underWay) return underWay;
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
    if (claimed === undefined) throw new NotFound({ what: "run" });
    desk.run.fence = claimed.fence;
    desk.lease.renew();
    return { desk, ...claimed };
  }

  /** Puts every unfinished run of the store on the deadline wheel; none is brought back for it. */
  async sweep(onOrphan: (record: RunRecord) => void): Promise<void> {
    const { settings, deadlines } = this.terms;
    let before: string | undefined;
    do {
      const { runs, next } = await this.log.runs({ living: true, before, limit: orphanPageSize });
      for (const record of runs) {
        onOrphan(record);
        deadlines.after(record.leaseMs + settings.graceMs, () => this.endOrphan(record));
      }
      before = next ?? undefined;
    } while (before !== undefined);
  }

  private endOrphan(record: RunRecord): void {
    // Its runner came back meanwhile: the desk's own lease watches it.
    if (this.atHand(record.tenantId, record.runId)) return;
    void this.find(record.tenantId, record.runId).then(
      (found) => {
        if (found instanceof RunDesk && found.run.state !== "suspended") found.interrupt("lease_expired");
      },
      () => this.terms.deadlines.after(record.leaseMs, () => this.endOrphan(record)),
    );
  }

  private sit(run: LiveRun): RunDesk {
    const { settings, deadlines, onStalled } = this.terms;
    const desk = new RunDesk(run, {
      clock: settings.clock,
      deadlines,
      journal: settings.journal,
      graceMs: settings.graceMs,
      onStalled,
      onInterrupted: () => {
        this.counts.runsInterrupted += 1;
      },
    });
    this.desks.set(runKey(run.record.tenantId, run.record.runId), desk);
    return desk;
  }

  private drop(run: LiveRun, ended: TerminalState | undefined): void {
    const { tenantId, runId, parentRunId } = run.record;
    const key = runKey(tenantId, runId);
    const desk = this.desks.get(key);
    if (desk?.run !== run) return;
    this.desks.delete(key);
    desk.end(ended);
    this.terms.supervisor.release(run.actor);
    if (ended && parentRunId) this.atHand(tenantId, parentRunId)?.run.actor.send({ type: "child.ended" });
  }

  private actor(record: Pick<RunRecord, "profile">, snapshot?: unknown): RunActor {
    const actor = this.terms.supervisor.spawn(runMachine, {
      input: { profile: record.profile },
      ...(snapshot !== undefined && { snapshot }),
    });
    actor.subscribe({
      error: (cause) => this.terms.settings.journal.write("error", "run.actorFailed", { cause }),
    });
    return actor.start();
  }

  private async bringBack(tenantId: TenantId, runId: RunId): Promise<RunDesk | RunRecord | undefined> {
    const record = await this.log.run(tenantId, runId);
    if (record === undefined || record.ended !== undefined) return record;
    const actor = this.actor(record);
    let afterSeq = 0;
    while (afterSeq < record.seq) {
      const events: readonly StoredEvent[] = await this.log.readRun(tenantId, runId, afterSeq, page);
      for (const event of events) {
        const fact = factOf(event);
        if (fact) actor.send(fact);
      }
      const lastSeq = events.at(-1)?.seq;
      if (lastSeq === undefined) break;
      afterSeq = lastSeq;
    }
    const { runs } = await this.log.living(record.stream);
    for (const child of runs) if (child.parentRunId === runId) actor.send({ type: "child.started" });
    return this.sit(new LiveRun(this.host, record, actor, false));
  }

  private async parent(stream: StreamKey, tenantId: TenantId, runId: RunId): Promise<RunDesk> {
    const parent = await this.find(tenantId, runId);
    if (parent === undefined) throw new NotFound({ what: "run" });
    const { record } = parent instanceof RunDesk ? parent.run : { record: parent };
    if (record.stream !== stream) throw new NotFound({ what: "run" });
    if (!(parent instanceof RunDesk)) throw new RunEnded({ state: record.ended ?? "completed" });
    return parent;
  }

  private newRun(tenantId: TenantId, stream: StreamKey, runId: RunId, body: StartRunBody): NewRun {
    const { settings } = this.terms;
    return {
      runId,
      tenantId,
      stream,
      threadId: body.threadId,
      agent: body.agent,
      profile: body.profile ?? "standard",
      onIllegal: body.onIllegal ?? "reject",
      mode: body.mode ?? "regular",
      leaseMs: body.leaseMs ?? settings.leaseMs,
      parentRunId: body.parentRunId === undefined ? undefined : asRunId(body.parentRunId),
      startDigest: bodyDigest({ ...body, runId, tenantId }),
      startedAt: this.terms.timeText(),
    };
  }

  private startEvent(run: NewRun, body: StartRunBody, owner: UserId, traceparent?: string): NewEvent {
    const { agent, parentRunId, parentToolCallId } = body;
    let input = body.input;
    const path = contaminatedPath(input, JSON.stringify(input) ?? "", owner, "input");
    if (path !== undefined) {
      this.counts.contaminationRefused += 1;
      if (this.terms.settings.contamination === "refuse")
        throw new Contaminated({ path, message: "names a user who does not own this run" });
      input = sanitized(input, owner);
    }
    return {
      id: this.terms.nextId(),
      type: "agent_started",
      time: run.startedAt,
      data: JSON.stringify({ agent, input, parentRunId, parentToolCallId }),
      threadId: run.threadId,
      traceparent,
    };
  }

  private async asBefore(there: RunRecord, wanted: NewRun): Promise<{ answer: StartRunAnswer; desk: RunDesk | undefined }> {
    if (there.stream !== wanted.stream || there.startDigest !== wanted.startDigest)
      throw new RunExists({ message: `a run with this id exists and was made by another call` });
    const { epoch } = await this.log.position(there.stream);
    const found = await this.find(there.tenantId, there.runId);
    const { runId, firstOffset } = there;
    return {
      // The answer of then, but for the fence: it must be one that works.
      answer: { runId, fence: there.fence, seq: 1, offset: firstOffset, epoch },
      desk: found instanceof RunDesk ? found : undefined,
    };
  }

  /** A retry of what was written before the end is answered as then; anything else comes too late. */
  private async answerEnded(record: RunRecord, events: readonly EventInput[]): Promise<PublishAnswer> {
    const names = events.flatMap(({ key }) => key ?? []);
    const known = names.length > 0 ? await this.log.knownKeys(record, names) : new Map<string, never>();
    let last = { seq: record.seq, offset: record.lastOffset };
    for (const { type, data, key } of events) {
      const before = key === undefined ? undefined : known.get(key);
      if (key === undefined || before === undefined) throw new RunEnded({ state: record.ended ?? "completed" });
      if (before.digest !== eventDigest(type, data)) throw new KeyConflict({ key, seq: before.seq });
      last = before;
    }
    return { seq: last.seq, offset: last.offset, duplicates: events.length };
  }
}

/** What the run machine must hear of a stored event; undefined for payload. */
export function factOf(event: StoredEvent): RunFact | undefined {
  const fact = { type: event.type, data: {}, repaired: event.repaired || undefined };
  return isRunFact(fact) ? ({ ...fact, data: parseTrusted(event.data) } as RunFact) : undefined;
}
