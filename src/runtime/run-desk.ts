/**
 * Everything this process does for one living run: its pipeline, its lease, its cancellation, and the handle of an
 * embedded runner. Made and freed by one key (LESSONS 39).
 */
import type { EventDataOf } from "../../protocol/event.ts";
import type { CancelBody } from "../../protocol/http.ts";
import { defaultCancelDeadlineMs, maxCancelDeadlineMs } from "../../protocol/http.ts";
import type { RunId, TenantId } from "../../protocol/ids.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import { Lease } from "./lease.ts";
import type { LiveRun } from "./live-run.ts";
import type { RunEnd } from "./run-host.ts";

export type RunKey = string;

/** Injective: a run id holds no "/". */
export const runKey = (tenantId: TenantId, runId: RunId): RunKey => `${runId}/${tenantId}`;

export interface DeskTerms {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly journal: Journal;
  readonly graceMs: number;
  /** Tells the owner's connections, beside the stream. */
  readonly onStalled: (run: LiveRun, stalled: boolean) => void;
  readonly onInterrupted: () => void;
}

const askedToStop = "the user asked the run to stop";

export class RunDesk {
  readonly run: LiveRun;
  readonly lease: Lease;
  private readonly terms: DeskTerms;
  /** Made when somebody looks at the signal: most runs end without. */
  private controller: AbortController | undefined;
  private abortReason: string | undefined;
  private embedded: WeakRef<object> | undefined;
  private cancelDeadline: Deadline | undefined;
  /** Living runs that this one made. Told twice is told once, so that word of a child may be repeated. */
  private readonly children = new Set<RunKey>();

  constructor(run: LiveRun, terms: DeskTerms) {
    this.run = run;
    this.terms = terms;
    run.onHeard = () => this.lease.renew();
    run.onCancelRequested = (data) => this.cancelRequested(data);
    this.lease = new Lease(terms.clock, terms.deadlines, {
      leaseMs: run.record.leaseMs,
      graceMs: terms.graceMs,
      runnerIsHere: () => this.embedded?.deref() !== undefined,
      isWaiting: () => run.isWaiting,
      onStalled: (stalled) => terms.onStalled(run, stalled),
      onLost: () => this.interrupt("lease_expired"),
    });
    if (run.isCancelling) this.cancelRequested({});
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

  /** False: it was known. */
  childStarted(child: RunKey): boolean {
    if (this.children.has(child)) return false;
    this.children.add(child);
    this.run.actor.send({ type: "child.started" });
    return true;
  }

  childEnded(child: RunKey): void {
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
    this.writeTerminal(() =>
      this.run.publish([{ type: "agent_interrupted", data: { reason } }], { bySupervisor: true }).then(() => {
        this.terms.onInterrupted();
      }),
    );
  }

  /** Frees all of it. While nobody knows what became of a write, the runner goes on: the next desk adopts it. */
  end(end: RunEnd): void {
    this.lease.end();
    this.cancelDeadline?.cancel();
    if (end !== "unknown") this.abort(end === "fenced" ? "another runner has taken the run over" : `the run is ${end}`);
  }

  /** The first reason stands. */
  private abort(reason: string): void {
    this.abortReason ??= reason;
    const { controller } = this;
    if (controller && !controller.signal.aborted) controller.abort(new DOMException(this.abortReason, "AbortError"));
  }

  private cancelRequested({ by, reason, deadlineMs }: EventDataOf<"cancel_requested">): void {
    const data = { by: by ?? "user", reason: reason ?? "not stopped by its runner in time" };
    const waitMs = Math.min(deadlineMs ?? defaultCancelDeadlineMs, maxCancelDeadlineMs);
    this.cancelDeadline?.cancel();
    this.cancelDeadline = this.terms.deadlines.after(waitMs, () => {
      // Refused in time: the run goes on.
      if (!this.run.isCancelling) return;
      this.writeTerminal(() => this.run.publish([{ type: "agent_cancelled", data }], { bySupervisor: true }));
    });
    this.abort(reason ?? askedToStop);
  }

  /** A terminal that the log did not take ends this desk; the one that is built next owes it again. */
  private writeTerminal(write: () => Promise<unknown>): void {
    if (this.run.isOver) return;
    write().catch((cause: unknown) => {
      this.terms.journal.write("error", "run.terminalNotWritten", { runId: this.run.record.runId, cause });
    });
  }
}
