/**
 * Everything this process does for one living run: its pipeline, its lease, its cancellation, and the handle of an
 * embedded runner. Made and freed by one key (LESSONS 39).
 */
import type { EventDataOf, EventInput } from "../../protocol/event.ts";
import type { CancelBody } from "../../protocol/http.ts";
import { defaultCancelDeadlineMs } from "../../protocol/http.ts";
import type { Epoch, RunId } from "../../protocol/ids.ts";
import type { RunRecord } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import { IllegalTransition, LogFull, LogUnavailable, SeqConflict } from "../errors.ts";
import { Lease } from "./lease.ts";
import type { LeaseMark } from "./lease-marks.ts";
import type { LiveRun } from "./live-run.ts";
import type { PastDate } from "./run-actor.ts";
import { RunDates } from "./run-dates.ts";
import type { RunEnd } from "./run-host.ts";
import type { Basis } from "./run-picture.ts";

export interface DeskTerms {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly journal: Journal;
  readonly graceMs: number;
  /** Tells the owner's connections, beside the stream. */
  readonly onStalled: (record: RunRecord, stalled: boolean) => void;
  readonly onInterrupted: () => void;
  /** Asks these children to stop. */
  readonly stopChildren: (parent: RunRecord, children: readonly RunId[], request: StopRequest) => void;
  /** On a log that other processes write to as well; else undefined. */
  readonly shared?: SharedTerms | undefined;
}

export interface SharedTerms {
  readonly mark: LeaseMark;
  /** Has bells rung for what other processes append to its stream; the answer stops it. */
  readonly follow: (desk: RunDesk) => () => void;
  /** Its runner is heard by another process, and nothing here waits for it: whoever needs the run brings it back. */
  readonly letGo: (desk: RunDesk) => void;
}

/** Who asks, why, and how long the runner may take. */
export type StopRequest = EventDataOf<"cancel_requested">;

/** From a write of the supervisor that the log did not take to the next try, where the desk outlives that. */
const owedAgainMs = 1_000;
/** Each means that somebody wrote to the run between our look and our word. */
const maxTries = 16;
const askedToStop = "the user asked the run to stop";

export class RunDesk {
  readonly run: LiveRun;
  readonly lease: Lease;
  private readonly terms: DeskTerms;
  /** Made when somebody looks at the signal: most runs end without. */
  private controller: AbortController | undefined;
  private abortReason: string | undefined;
  private embedded: WeakRef<object> | undefined;
  private readonly dates: RunDates;
  private readonly past: PastDate[];
  /** Living runs that this one made. Told twice is told once, so that word of a child may be repeated. */
  private readonly children = new Set<RunId>();
  /** Of these, not in the log yet. */
  private readonly reserved = new Set<RunId>();
  private unfollow: (() => void) | undefined;
  private pulse: Deadline | undefined;
  private isLeft = false;

  constructor(run: LiveRun, terms: DeskTerms, past: readonly PastDate[] = []) {
    this.run = run;
    this.terms = terms;
    run.onHeard = () => this.lease.renew();
    this.dates = new RunDates({
      clock: terms.clock,
      deadlines: terms.deadlines,
      startedAtMs: Date.parse(run.record.startedAt),
      limitMs: run.record.deadlineMs,
      onCancelDue: (request) => this.cancelDue(request),
      onApprovalExpired: (approvalId) => this.approvalExpired(approvalId),
      onLimit: () => {
        const { limitCount } = this.dates;
        void this.interrupt("deadline", () => this.dates.limitCount === limitCount);
      },
    });
    for (const { event, atMs } of past) this.dates.hear(event, atMs);
    this.past = [...past];
    run.onDated = (event, atMs) => {
      this.dates.hear(event, atMs);
      if (terms.shared) this.past.push({ event, atMs });
      if (event.type === "cancel_requested") this.cancelRequested(event.data);
    };
    this.lease = new Lease(terms.clock, terms.deadlines, {
      leaseMs: run.record.leaseMs,
      graceMs: terms.graceMs,
      runnerIsHere: () => this.embedded?.deref() !== undefined || run.isBeingHeard,
      isWaiting: () => run.isWaiting,
      onStalled: (stalled) => terms.onStalled(run.record, stalled),
      onLost: () => void this.interrupt("lease_expired", () => this.lease.isLost),
      ask: terms.shared && (() => this.lookElsewhere()),
    });
    run.onTakenOver = () => this.takenOver();
    if (run.isCancelling) this.abort(askedToStop);
  }

  /** Goes on where `before` stood, which a write of unknown outcome has ended: runner and signal are the same. */
  adopt(before: RunDesk): void {
    this.controller = before.controller;
    this.abortReason ??= before.abortReason;
    if (before.embedded !== undefined) this.holdEmbedded(before.embedded);
    if (before.lease.isStalled) this.lease.lapse();
  }

  /** What is in the log for certain, after a write of unknown outcome, if the log has the same history still. */
  basisIn(epoch: Epoch, { seq }: RunRecord): (Basis & { readonly past: readonly PastDate[] }) | undefined {
    const { basis } = this.run;
    return basis?.epoch === epoch && basis.seq <= seq ? { ...basis, past: this.past } : undefined;
  }

  /** Another runner holds the run from here on: the handle that was, is told to stop. */
  takenOver(): void {
    this.abort("another runner has taken the run over");
    this.controller = undefined;
    this.abortReason = this.run.isCancelling ? askedToStop : undefined;
    this.embedded = undefined;
    this.pulse?.cancel();
    this.unfollow?.();
    this.lease.renew();
  }

  /** A child is about to be made: this run must not complete meanwhile. False: it was known. */
  reserveChild(child: RunId): boolean {
    if (this.children.has(child)) return false;
    this.children.add(child);
    if (this.terms.shared) this.reserved.add(child);
    this.run.countChildren(this.children.size);
    return true;
  }

  /** A child is there. One that comes while this run is asked to stop is asked, too. */
  childStarted(child: RunId): void {
    this.reserveChild(child);
    this.reserved.delete(child);
    if (this.run.isCancelling) this.terms.stopChildren(this.run.record, [child], { by: "parent" });
  }

  childEnded(child: RunId): void {
    this.reserved.delete(child);
    if (this.children.delete(child)) this.run.countChildren(this.children.size);
  }

  /** These of its children live, by the log; one that is about to be made is not there yet. */
  setChildren(living: readonly RunId[]): void {
    for (const child of this.children) if (!this.reserved.has(child)) this.children.delete(child);
    for (const child of living) this.children.add(child);
    this.run.countChildren(this.children.size);
  }

  /** The runner lives in this process: while it holds `handle`, the lease renews itself. */
  embed(handle: object): void {
    this.holdEmbedded(new WeakRef(handle));
  }

  private holdEmbedded(embedded: WeakRef<object>): void {
    this.embedded = embedded;
    const { shared } = this.terms;
    if (shared === undefined) return;
    this.unfollow?.();
    this.unfollow = shared.follow(this);
    this.beat(shared.mark, this.run.seq);
  }

  /** For the others: a runner that holds its handle is there, though it says nothing. */
  private beat(mark: LeaseMark, seq: number): void {
    const { run, terms } = this;
    this.pulse?.cancel();
    this.pulse = terms.deadlines.after(mark.pulseMs, () => {
      if (run.isOver || this.embedded?.deref() === undefined) return;
      const isSilent = run.seq === seq;
      this.beat(mark, run.seq);
      if (!isSilent) return;
      const told = async (): Promise<void> => {
        // A claim says nothing in the stream.
        await run.refresh();
        if (!run.isOver && this.embedded !== undefined) await mark.write();
      };
      told().catch((cause: unknown) => terms.journal.write("warn", "lease.notMarked", { cause }));
    });
  }

  /**
   * The runner was heard, beside its events. Fails: `LogUnavailable`, when the other processes may not know.
   */
  async heard(): Promise<void> {
    this.lease.renew();
    await this.terms.shared?.mark.write();
  }

  /** Aborts when somebody asked the run to stop, and when it is over or lost. */
  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    if (this.abortReason !== undefined) this.abort(this.abortReason);
    return this.controller.signal;
  }

  get isEmbedded(): boolean {
    return this.embedded !== undefined;
  }

  /** Asks the run to stop; a second request changes nothing. At the deadline the supervisor writes the terminal. */
  async cancel(by: string, body: CancelBody): Promise<void> {
    const { run } = this;
    await run.settled();
    if (run.isCancelling) return;
    // Another process may have asked it.
    const known = (cause: unknown): void => {
      if (!(cause instanceof IllegalTransition && run.isShared && run.isCancelling)) throw cause;
    };
    const deadlineMs = body.deadlineMs ?? defaultCancelDeadlineMs;
    const data = { by, deadlineMs, ...(body.reason !== undefined && { reason: body.reason }) };
    await run.publish([{ type: "cancel_requested", data }], { bySupervisor: true }).then(() => {}, known);
  }

  /** Ends the run in the runner's place, if `holds` still says so when all that others wrote is known. */
  interrupt(reason: "lease_expired" | "deadline" | "shutdown", holds = () => true): Promise<void> {
    return this.writeOwn({ type: "agent_interrupted", data: { reason } }, holds, () => this.terms.onInterrupted());
  }

  /** Frees all of it. While nobody knows what became of a write, the runner goes on: the next desk adopts it. */
  end(end: RunEnd): void {
    this.isLeft = true;
    this.lease.end();
    this.dates.end();
    this.pulse?.cancel();
    this.unfollow?.();
    if (end !== "unknown" && end !== "fenced" && end !== "elsewhere") void this.terms.shared?.mark.end();
    // What they work for is gone.
    if (end === "failed" || end === "cancelled" || end === "interrupted")
      this.terms.stopChildren(this.run.record, [...this.children], {
        by: "parent",
        reason: `the parent run is ${end}`,
      });
    if (end !== "unknown") this.abort(end === "fenced" ? "another runner has taken the run over" : `the run is ${end}`);
  }

  /** The first reason stands. */
  private abort(reason: string): void {
    this.abortReason ??= reason;
    const { controller } = this;
    if (controller && !controller.signal.aborted) controller.abort(new DOMException(this.abortReason, "AbortError"));
  }

  private cancelRequested(request: EventDataOf<"cancel_requested">): void {
    this.abort(request.reason ?? askedToStop);
    this.terms.stopChildren(this.run.record, [...this.children], request);
  }

  private cancelDue({ by, reason }: EventDataOf<"cancel_requested">): void {
    const data = { by: by ?? "user", reason: reason ?? "not stopped by its runner in time" };
    // Refused in time: the run goes on.
    void this.writeOwn({ type: "agent_cancelled", data }, () => this.run.isCancelling);
  }

  /** Nobody answered in time: that is a no, which whoever comes later is told. */
  private approvalExpired(approvalId: string): void {
    const data = { approvalId, decision: "deny", by: "expiry" } as const;
    const isOpen = (): boolean => this.run.actor.getSnapshot().context.approvals[approvalId] === "open";
    void this.writeOwn({ type: "approval_resolved", data }, isOpen, () => this.lease.renew());
  }

  /** Whether the runner was heard by another process; what it wrote there is heard now. Fails: `LogUnavailable`. */
  private async lookElsewhere(): Promise<void> {
    const { run, lease, terms } = this;
    const { heardElsewhere } = run;
    await run.refresh();
    if (run.isOver || terms.shared === undefined) return;
    const isHeard = await terms.shared.mark.hasMoved();
    if (isHeard) lease.renew();
    const isMine = this.embedded !== undefined || run.isCancelling || run.state === "suspended" || run.isBeingHeard;
    if ((isHeard || run.heardElsewhere !== heardElsewhere) && !isMine && !run.isOver) terms.shared.letGo(this);
  }

  /**
   * Writes in the supervisor's name while `holds`. What the log did not take is owed: by the desk that is built next, or
   * by this one where that has not ended it. Never rejects.
   */
  private async writeOwn(event: EventInput, holds: () => boolean, written = () => {}): Promise<void> {
    const { run } = this;
    try {
      for (let tries = 0; tries < maxTries; tries += 1) {
        // A date that was settled by another process is not fired here.
        if (run.isShared && !run.isOver) await run.refresh();
        if (run.isOver || this.isLeft || !holds()) return;
        try {
          await run.publish([event], { bySupervisor: true, ifSeq: run.isShared ? run.seq : undefined });
          return written();
        } catch (cause) {
          if (!(run.isShared && cause instanceof SeqConflict)) throw cause;
        }
      }
    } catch (cause) {
      this.terms.journal.write("error", "run.ownEventNotWritten", { runId: run.record.runId, cause });
      const isOwed = cause instanceof LogFull || cause instanceof LogUnavailable;
      if (isOwed && !run.isOver && !this.isLeft)
        this.terms.deadlines.after(owedAgainMs, () => void this.writeOwn(event, holds, written));
    }
  }
}
