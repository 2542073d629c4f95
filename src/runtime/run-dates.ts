/**
 * What comes due in one living run by itself (L16): the deadline of a cancellation, the expiry of each open approval,
 * and the run's own time limit. Told of every event that sets or settles a date, live or read back from the log, so a
 * restart changes no date. All on the one wheel; what is to be done then its desk does.
 */
import type { EventDataOf } from "../../protocol/event.ts";
import { defaultCancelDeadlineMs, maxCancelDeadlineMs } from "../../protocol/http.ts";
import type { Clock } from "../platform/clock.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";

type DatedType = "cancel_requested" | "cancel_refused" | "agent_suspended" | "approval_resolved" | "agent_resumed";
type DatedOf<Type extends DatedType> = Type extends DatedType
  ? { readonly type: Type; readonly data: EventDataOf<Type> }
  : never;
/** An event that sets or settles a date. */
export type DatedEvent = DatedOf<DatedType>;

const datedTypes: ReadonlySet<string> = new Set<DatedType>([
  "cancel_requested",
  "cancel_refused",
  "agent_suspended",
  "approval_resolved",
  "agent_resumed",
]);

export function isDated(event: { readonly type: string }): event is DatedEvent {
  return datedTypes.has(event.type);
}

export interface RunDatesTerms {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** How long it may live, not counting the time that it waits for a human. Undefined: as long as it likes. */
  readonly limitMs: number | undefined;
  /** Nobody stopped it in time. */
  readonly onCancelDue: (request: EventDataOf<"cancel_requested">) => void;
  readonly onApprovalExpired: (approvalId: string) => void;
  readonly onLimit: () => void;
}

export class RunDates {
  private readonly terms: RunDatesTerms;
  private cancel: Deadline | undefined;
  /** Every approval that was ever asked for; undefined once it is resolved, or when it never expires. */
  private readonly approvals = new Map<string, { isOpen: boolean; expiry: Deadline | undefined }>();
  private limit: Deadline | undefined;
  /** Moves whenever the limit is counted anew. */
  limitCount = 0;
  /** Of its limit, used up to `countedAtMs`. */
  private usedMs = 0;
  private countedAtMs: number;
  private waits = false;

  constructor(terms: RunDatesTerms) {
    this.terms = terms;
    this.countedAtMs = terms.startedAtMs;
    this.armLimit();
  }

  /** `atMs`: when it was written, in milliseconds since 1970. */
  hear(event: DatedEvent, atMs: number): void {
    switch (event.type) {
      case "cancel_requested":
        this.cancel?.cancel();
        this.cancel = this.at(atMs + cancelWaitMs(event.data), () => this.terms.onCancelDue(event.data));
        return;
      case "cancel_refused":
        this.cancel?.cancel();
        return;
      case "agent_suspended":
        this.ask(event.data);
        return this.setWaiting(this.hasOpen || (event.data.approvals ?? []).length === 0, atMs);
      case "approval_resolved":
        this.settle(event.data.approvalId);
        return this.setWaiting(this.waits && this.hasOpen, atMs);
      case "agent_resumed":
        return this.setWaiting(false, atMs);
    }
  }

  end(): void {
    this.cancel?.cancel();
    this.limit?.cancel();
    for (const { expiry } of this.approvals.values()) expiry?.cancel();
  }

  private get hasOpen(): boolean {
    for (const { isOpen } of this.approvals.values()) if (isOpen) return true;
    return false;
  }

  private ask({ approvals = [] }: EventDataOf<"agent_suspended">): void {
    for (const { approvalId, expiresAt } of approvals) {
      const before = this.approvals.get(approvalId);
      // The first answer wins, also when the runner asks the same again.
      if (before?.isOpen === false) continue;
      before?.expiry?.cancel();
      const expiry =
        expiresAt === undefined
          ? undefined
          : this.at(Date.parse(expiresAt), () => this.terms.onApprovalExpired(approvalId));
      this.approvals.set(approvalId, { isOpen: true, expiry });
    }
  }

  private settle(approvalId: string): void {
    this.approvals.get(approvalId)?.expiry?.cancel();
    this.approvals.set(approvalId, { isOpen: false, expiry: undefined });
  }

  /** Time that waits for a human does not count. */
  private setWaiting(waits: boolean, atMs: number): void {
    if (!this.waits) this.usedMs += Math.max(0, atMs - this.countedAtMs);
    this.countedAtMs = atMs;
    this.waits = waits;
    this.armLimit();
  }

  private armLimit(): void {
    const { limitMs, onLimit } = this.terms;
    this.limit?.cancel();
    this.limit = undefined;
    this.limitCount += 1;
    if (limitMs !== undefined && !this.waits) this.limit = this.at(this.countedAtMs + limitMs - this.usedMs, onLimit);
  }

  /** The wall clock is asked once, here: a jump of it later moves no date. */
  private at(dueMs: number, task: () => void): Deadline {
    return this.terms.deadlines.after(Math.max(0, dueMs - this.terms.clock.now()), task);
  }
}

const cancelWaitMs = ({ deadlineMs }: EventDataOf<"cancel_requested">): number =>
  Math.min(deadlineMs ?? defaultCancelDeadlineMs, maxCancelDeadlineMs);
