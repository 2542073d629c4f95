/**
 * Everything this process does for one living run: its pipeline, its lease, its cancellation, and the handle of an
 * embedded runner. Made and freed by one key (LESSONS 39).
 */
import type { EventDataOf } from "../../protocol/event.ts";
import type { CancelBody } from "../../protocol/http.ts";
import { defaultCancelDeadlineMs } from "../../protocol/http.ts";
import type { RunId } from "../../protocol/ids.ts";
import type { RunRecord } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadlines } from "./deadlines.ts";
import { Lease } from "./lease.ts";
import type { LiveRun } from "./live-run.ts";
import type { PastDate } from "./run-actor.ts";
import { RunDates } from "./run-dates.ts";
import type { RunEnd } from "./run-host.ts";

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
}

/** Who asks, why, and how long the runner may take. */
export type StopRequest = EventDataOf<"cancel_requested">;

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
  /** Living runs that this one made. Told twice is told once, so that word of a child may be repeated. */
  private readonly children = new Set<RunId>();

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
      onLimit: () => this.interrupt("deadline"),
    });
    for (const { event, atMs } of past) this.dates.hear(event, atMs);
    run.onDated = (event, atMs) => {
      this.dates.hear(event, atMs);
      if (event.type === "cancel_requested") this.cancelRequested(event.data);
    };
    this.lease = new Lease(terms.clock, terms.deadlines, {
      leaseMs: run.record.leaseMs,
      graceMs: terms.graceMs,
      runnerIsHere: () => this.embedded?.deref() !== undefined || run.isBeingHeard,
      isWaiting: () => run.isWaiting,
      onStalled: (stalled) => terms.onStalled(run.record, stalled),
      onLost: () => this.interrupt("lease_expired"),
    });
    if (run.isCancelling) this.abort(askedToStop);
  }

  /** Goes on where `before` stood, which a write of unknown outcome has ended: runner and signal are the same. */
  adopt(before: RunDesk): void {
    this.controller = before.controller;
    this.abortReason ??= before.abortReason;
    this.embedded = before.embedded;
    if (before.lease.isStalled) this.lease.lapse();
  }

  /** Another runner holds the run from here on: the handle that was, is told to stop. */
  takenOver(): void {
    this.abort("another runner has taken the run over");
    this.controller = undefined;
    this.abortReason = this.run.isCancelling ? askedToStop : undefined;
    this.embedded = undefined;
    this.lease.renew();
  }

  /** A child is about to be made: this run must not complete meanwhile. False: it was known. */
  reserveChild(child: RunId): boolean {
    if (this.children.has(child)) return false;
    this.children.add(child);
    this.run.actor.send({ type: "child.started" });
    return true;
  }

  /** A child is there. One that comes while this run is asked to stop is asked, too. */
  childStarted(child: RunId): void {
    this.reserveChild(child);
    if (this.run.isCancelling) this.terms.stopChildren(this.run.record, [child], { by: "parent" });
  }

  childEnded(child: RunId): void {
    if (this.children.delete(child)) this.run.actor.send({ type: "child.ended" });
  }

  /** The runner lives in this process: while it holds `handle`, the lease renews itself. */
  embed(handle: object): void {
    this.embedded = new WeakRef(handle);
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
    const deadlineMs = body.deadlineMs ?? defaultCancelDeadlineMs;
    const data = { by, deadlineMs, ...(body.reason !== undefined && { reason: body.reason }) };
    await run.publish([{ type: "cancel_requested", data }], { bySupervisor: true });
  }

  /** Ends the run in the runner's place. */
  interrupt(reason: "lease_expired" | "deadline" | "shutdown"): void {
    this.writeOwn(() =>
      this.run.publish([{ type: "agent_interrupted", data: { reason } }], { bySupervisor: true }).then(() => {
        this.terms.onInterrupted();
      }),
    );
  }

  /** Frees all of it. While nobody knows what became of a write, the runner goes on: the next desk adopts it. */
  end(end: RunEnd): void {
    this.lease.end();
    this.dates.end();
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
    // Refused in time: the run goes on.
    if (!this.run.isCancelling) return;
    const data = { by: by ?? "user", reason: reason ?? "not stopped by its runner in time" };
    this.writeOwn(() => this.run.publish([{ type: "agent_cancelled", data }], { bySupervisor: true }));
  }

  /** Nobody answered in time: that is a no, which whoever comes later is told. */
  private approvalExpired(approvalId: string): void {
    if (this.run.actor.getSnapshot().context.approvals[approvalId] !== "open") return;
    const data = { approvalId, decision: "deny", by: "expiry" } as const;
    this.writeOwn(async () => {
      await this.run.publish([{ type: "approval_resolved", data }], { bySupervisor: true });
      this.lease.renew();
    });
  }

  /** What the log did not take ends this desk; the one that is built next owes it again. */
  private writeOwn(write: () => Promise<unknown>): void {
    if (this.run.isOver) return;
    write().catch((cause: unknown) => {
      this.terms.journal.write("error", "run.ownEventNotWritten", { runId: this.run.record.runId, cause });
    });
  }
}
