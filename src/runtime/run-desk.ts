/**
 * Everything this process does for one living run: its pipeline, its lease, its cancellation, and the handle of an
 * embedded runner. Made and freed by one key (LESSONS 39).
 */
import type { CancelBody } from "../../protocol/http.ts";
import { defaultCancelDeadlineMs } from "../../protocol/http.ts";
import type { RunId, TenantId } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import { Lease } from "./lease.ts";
import type { LiveRun } from "./live-run.ts";

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

/** Retry of a write that the supervisor owes, while the log does not answer. */
const retryMs = 1_000;

export class RunDesk {
  readonly run: LiveRun;
  readonly lease: Lease;
  private readonly terms: DeskTerms;
  /** Made when somebody looks at the signal: most runs end without. */
  private controller: AbortController | undefined;
  private abortReason: string | undefined;
  private embedded: WeakRef<object> | undefined;
  private cancelDeadline: Deadline | undefined;

  constructor(run: LiveRun, terms: DeskTerms) {
    this.run = run;
    this.terms = terms;
    run.onHeard = () => this.lease.renew();
    this.lease = new Lease(terms.clock, terms.deadlines, {
      leaseMs: run.record.leaseMs,
      graceMs: terms.graceMs,
      runnerIsHere: () => this.embedded?.deref() !== undefined,
      isWaiting: () => run.state === "suspended",
      onStalled: (stalled) => terms.onStalled(run, stalled),
      onLost: () => this.interrupt("lease_expired"),
    });
    if (run.isCancelling) this.cancelBy(defaultCancelDeadlineMs);
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
    this.cancelBy(deadlineMs, by, body.reason);
    this.abort(body.reason ?? "the user asked the run to stop");
  }

  /** Ends the run in the runner's place. */
  interrupt(reason: "lease_expired" | "deadline" | "shutdown"): void {
    this.writeTerminal(() =>
      this.run.publish([{ type: "agent_interrupted", data: { reason } }], { bySupervisor: true }).then(() => {
        this.terms.onInterrupted();
      }),
    );
  }

  /** Frees all of it. */
  end(ended: TerminalState | undefined): void {
    this.lease.end();
    this.cancelDeadline?.cancel();
    this.abort(`the run is ${ended ?? "lost"}`);
  }

  /** The first reason stands. */
  private abort(reason: string): void {
    this.abortReason ??= reason;
    const { controller } = this;
    if (controller && !controller.signal.aborted) controller.abort(new DOMException(this.abortReason, "AbortError"));
  }

  private cancelBy(deadlineMs: number, by = "user", reason?: string): void {
    this.cancelDeadline?.cancel();
    this.cancelDeadline = this.terms.deadlines.after(deadlineMs, () => {
      // Refused in time: the run goes on.
      if (!this.run.isCancelling) return;
      const data = { by, reason: reason ?? "not stopped by its runner in time" };
      this.writeTerminal(() => this.run.publish([{ type: "agent_cancelled", data }], { bySupervisor: true }));
    });
  }

  private writeTerminal(write: () => Promise<unknown>): void {
    if (this.run.isOver) return;
    write().catch((cause: unknown) => {
      if (this.run.isOver) return;
      this.terms.journal.write("error", "run.terminalNotWritten", { runId: this.run.record.runId, cause });
      this.terms.deadlines.after(retryMs, () => this.writeTerminal(write));
    });
  }
}
