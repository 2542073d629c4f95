/**
 * What one run says within one turn of the event loop: the rows of one append, and the one outcome that all who
 * said a part of it wait for.
 */
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Fence, Seq } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { Append, NewEvent, RunRecord } from "../log/event-log.ts";
import type { DatedEvent } from "./run-dates.ts";

/** One append holds at most this; more goes into the next. */
export const maxBatchRows = 1_000;

/** A row is put together in steps and handed over whole. */
type Row = { -readonly [Field in keyof NewEvent]: NewEvent[Field] };

export class Batch {
  readonly rows: Row[] = [];
  readonly afterSeq: Seq;
  /** Of the runner that said it, as it was then; undefined: the supervisor's own. */
  readonly fence: Fence | undefined;
  /** ISO 8601 UTC: one for all that is said in one turn. */
  readonly time: string;
  /** Resolves with offset − seq + 1 of its rows; rejects when nothing of it was written, or nobody knows. */
  readonly outcome: Promise<number>;
  readonly resolve: (shift: number, isDurable: boolean) => void;
  readonly reject: (error: Error) => void;
  /** Nobody knows yet what became of it. */
  isUnderWay = true;
  /** False: nothing durable holds it, and who said it is told. */
  isDurable = true;
  ended: TerminalState | undefined;
  approvals: string[] | undefined;
  /** Indexes of the rows that somebody must be told of if no device acknowledges them. */
  critical: number[] | undefined;
  /** What sets or settles a date of the run. */
  dated: DatedEvent[] | undefined;

  constructor(afterSeq: Seq, fence: Fence | undefined, time: string) {
    this.afterSeq = afterSeq;
    this.fence = fence;
    this.time = time;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.outcome = promise;
    this.resolve = (shift, isDurable) => {
      this.isDurable = isDurable;
      this.isUnderWay = false;
      resolve(shift);
    };
    this.reject = (error) => {
      this.isUnderWay = false;
      reject(error);
    };
  }

  /** `isShared`: children of the run may be written by other processes, which the log asks where they end and begin. */
  appendTo({ stream, tenantId, runId, mode }: RunRecord, isShared = false): Append {
    const { rows: events, fence, ended, approvals } = this;
    // Only who completes waits for its children; who ends otherwise stops them.
    const asksFamily = (isShared && ended === "completed") || undefined;
    return {
      stream,
      events,
      run: { tenantId, runId, expectedSeq: this.afterSeq, fence, ended, approvals, asksFamily },
      escalate: this.critical,
      durability: mode === "performance" ? "os" : undefined,
    };
  }

  get bySupervisor(): boolean {
    return this.fence === undefined;
  }

  add(id: string, type: string, data: string, threadId: string | undefined, traceparent: string | undefined): Row {
    const { time } = this;
    // All fields at once, in one order: rows are many, and so they share one hidden class.
    const row: Row = { id, type, time, data, threadId, repaired: undefined, traceparent, key: undefined };
    this.rows.push(row);
    return row;
  }

  /** The row that was added last. */
  noteCritical(): void {
    this.critical ??= [];
    this.critical.push(this.rows.length - 1);
  }

  /** The answer to who said the row of this seq, and nothing else. */
  async placed(seq: Seq): Promise<PublishAnswer> {
    return this.told({ seq, offset: seq + (await this.outcome) - 1, duplicates: 0 });
  }

  /** The answer to who said a part of it. */
  told(answer: PublishAnswer): PublishAnswer {
    return this.isDurable ? answer : { ...answer, durability: "none" };
  }

  noteDated(event: DatedEvent): void {
    this.dated ??= [];
    this.dated.push(event);
    if (event.type !== "agent_suspended") return;
    const asked = (event.data.approvals ?? []).map(({ approvalId }) => approvalId);
    this.approvals = [...(this.approvals ?? []), ...asked];
  }
}
