/**
 * One living run: the actor that judges its events, and the pipeline that writes them.
 *
 * Events are judged when they arrive and written in that order, without waiting for each other; the answer waits
 * for the commit (L7). If a write fails its outcome is unknown: this object is then worth nothing, its owner drops
 * it, and the next call builds a new one from the log. Where other processes write to the log as well, `run-turns`
 * stands before the judgment.
 */
import { isLiving, needsMachine } from "../../machines/legality.ts";
import type { EventInput } from "../../protocol/event.ts";
import type { OnIllegal, PublishAnswer } from "../../protocol/http.ts";
import type { Seq } from "../../protocol/ids.ts";
import { streamOwner } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import { IllegalTransition, LogFull, LogUnavailable, RunEnded, SeqConflict } from "../errors.ts";
import type { Appended, RunRecord } from "../log/event-log.ts";
import { Batch, maxBatchRows } from "./batch.ts";
import type { Owner } from "./contamination.ts";
import type { RunActor, Verdict } from "./judge.ts";
import { judge, ownStep } from "./judge.ts";
import type { Prepared } from "./payload.ts";
import { inWholeBatch, prepare } from "./payload.ts";
import { Receipt } from "./receipt.ts";
import { isDated } from "./run-dates.ts";
import type { PublishTerms, RunHost } from "./run-host.ts";
import { RunKeys } from "./run-keys.ts";
import type { Stand } from "./run-picture.ts";
import { RunPicture } from "./run-picture.ts";
import { RunTurns } from "./run-turns.ts";
import { breakdownError, endOf } from "./write-failure.ts";

const nothing = (): void => {};

export class LiveRun extends RunPicture {
  readonly keys: RunKeys;
  private readonly owner: Owner;
  /** Undefined: nobody else writes to the log. */
  private readonly turns: RunTurns | undefined;
  private ending: TerminalState | undefined;
  private broken: LogUnavailable | LogFull | undefined;
  /** Settles when everything accepted so far has an outcome. */
  private tail: Promise<unknown> = Promise.resolve();
  private lookups: Promise<unknown> | undefined;
  /** What its runner has said last. */
  private said: Batch | undefined;
  private batch: Batch | undefined;

  constructor(host: RunHost, record: RunRecord, actor: RunActor, bornHere: boolean) {
    super(host, record, actor);
    this.keys = new RunKeys(host.log, record, bornHere);
    this.owner = streamOwner(record.stream);
    if (host.log.isShared) this.turns = new RunTurns(this, host);
  }

  get isOver(): boolean {
    return this.ending !== undefined || this.broken !== undefined;
  }

  /** Its runner's word is on its way to the disk: a slow disk does not make the runner silent. */
  get isBeingHeard(): boolean {
    return this.said?.isUnderWay === true || this.lookups !== undefined || this.turns?.isHearing === true;
  }

  /** Waits until everything accepted so far has an outcome; never rejects. */
  settled(): Promise<unknown> {
    return this.turns?.settled() ?? this.tail;
  }

  /** Other processes write to its log. */
  get isShared(): boolean {
    return this.turns !== undefined;
  }

  /** Hears what other processes have written of it. Fails: `LogUnavailable`. */
  refresh(): Promise<void> {
    return this.turns?.look() ?? Promise.resolve();
  }

  /**
   * Judges and writes a batch: all of it or nothing.
   *
   * Fails: `RunEnded`, `Fenced`, `SeqConflict`, `KeyConflict`, `Contaminated`, `IllegalTransition`; `LogFull` when
   * nothing was written for want of room; `LogUnavailable` when the outcome is unknown (repeat it with the same keys).
   */
  publish(events: readonly EventInput[], terms: PublishTerms): Receipt {
    if (this.turns !== undefined) return this.turns.say(events, terms);
    if (this.lookups === undefined && !this.keys.mustLearn(events)) return this.accept(events, terms);
    // Keys must be asked of the log first; what comes meanwhile keeps its place behind.
    const turn = (this.lookups ?? Promise.resolve())
      .then(() => this.keys.learn(events))
      // Wrapped, for a receipt is waited for like a promise: who comes next waits for no commit.
      .then(() => ({ receipt: this.accept(events, terms) }));
    const settled = turn.then(nothing, nothing);
    this.lookups = settled;
    void settled.then(() => {
      if (this.lookups === settled) this.lookups = undefined;
    });
    return new Receipt(() => turn.then(({ receipt }) => receipt));
  }

  private accept(events: readonly EventInput[], terms: PublishTerms): Receipt {
    try {
      if (this.broken) throw this.broken;
      return this.weigh(events, terms);
    } catch (cause) {
      this.host.countRefused(events.length);
      return Receipt.refused(cause);
    }
  }

  /** Judges a batch and lays it into the open one. Fails: throws the refusals of `publish`. */
  weigh(events: readonly EventInput[], terms: PublishTerms): Receipt {
    // The order of `log/append-rules`: a writer that was fenced off learns that first.
    if (!terms.bySupervisor) this.requireFence(terms.fence);
    const only = events.length === 1 && terms.ifSeq === undefined ? events[0] : undefined;
    if (only && this.isPlainPayload(only)) return this.writePayload(only, terms);
    const prepared = events.map((event, index) => prepare(event, index, this.owner, this.host));
    const fresh = this.keys.fresh(prepared, this.seq + 1);
    if (fresh.length === 0 && prepared.length > 0) return new Receipt(() => this.answerKnown(prepared));
    if (this.ending) {
      // As they may be shown, not as they were said.
      const late = prepared.map(({ event }) => event);
      if (!terms.bySupervisor) void this.host.apart.keepLate(this.record, late, this.ending);
      throw new RunEnded({ state: this.ending });
    }
    if (terms.ifSeq !== undefined && terms.ifSeq !== this.seq) throw new SeqConflict({ seq: this.seq });
    return this.write(prepared, fresh, terms);
  }

  /** A token of a living run: nothing to judge, no key to look up. Most events are this. */
  private isPlainPayload({ type, key }: EventInput): boolean {
    return key === undefined && !needsMachine(type) && this.ending === undefined && isLiving(this.actor.getSnapshot());
  }

  private writePayload(event: EventInput, terms: PublishTerms): Receipt {
    const { text } = prepare(event, 0, this.owner, this.host);
    const batch = this.openBatch(terms.bySupervisor === true);
    this.seq += 1;
    const lastSeq = this.seq;
    batch.add(this.host.nextId(), event.type, text, this.record.threadId, terms.traceparent);
    return new Receipt(() => batch.placed(lastSeq));
  }

  /** A retry: the answer names where its last event stands, once that is durable. */
  private async answerKnown(prepared: readonly Prepared[]): Promise<PublishAnswer> {
    const key = prepared.at(-1)?.event.key ?? "";
    await this.tail;
    if (this.broken) throw this.broken;
    const known = this.keys.get(key);
    return { seq: known?.seq ?? this.seq, offset: known?.offset ?? this.offset, duplicates: prepared.length };
  }

  private write(prepared: readonly Prepared[], fresh: readonly Prepared[], terms: PublishTerms): Receipt {
    const verdict = this.judged(fresh, prepared, terms);
    const duplicates = prepared.length - fresh.length;
    // Where the batch may have to be judged again, nothing is kept apart before it is written.
    const apart = this.turns === undefined ? this.keepApart(verdict) : undefined;
    if (verdict.legal.length === 0) return new Receipt(() => this.answerNothingWritten(verdict, duplicates, apart));
    const batch = this.openBatch(terms.bySupervisor === true);
    for (const { event, index } of verdict.legal) {
      const source = index === ownStep ? undefined : fresh[index];
      this.seq += 1;
      const text = source?.text ?? JSON.stringify(event.data);
      const row = batch.add(this.host.nextId(), event.type, text, this.record.threadId, terms.traceparent);
      if (source === undefined) row.repaired = true;
      row.key = this.keys.remember(event.key, source?.digest, this.seq);
      if (isDated(event)) batch.noteDated(event);
      if (this.host.isCritical?.(event, this.record)) batch.noteCritical();
    }
    if (this.turns === undefined) this.ending = verdict.ended;
    batch.ended = verdict.ended;
    const lastSeq = this.seq;
    return new Receipt(async () => {
      const shift = await batch.outcome;
      // What is kept apart is kept before anybody is told so.
      await (apart ?? this.keepApart(verdict));
      return batch.told(this.answer(shift, lastSeq, prepared.at(-1)?.event.key, verdict, duplicates));
    });
  }

  /** What is said within one turn is written together: one append, one commit, one frame. */
  private openBatch(bySupervisor: boolean): Batch {
    const open = this.batch;
    const fence = bySupervisor ? undefined : this.fence;
    if (open && open.fence === fence && open.rows.length < maxBatchRows) return open;
    this.flush();
    const batch = new Batch(this.seq, fence, this.host.timeText());
    this.batch = batch;
    if (this.turns !== undefined) return batch;
    if (!bySupervisor) this.said = batch;
    this.tail = batch.outcome.then(nothing, nothing);
    queueMicrotask(() => {
      if (this.batch === batch) this.flush();
    });
    return batch;
  }

  private flush(): void {
    const { batch } = this;
    if (batch === undefined) return;
    this.batch = undefined;
    this.host.log.append(batch.appendTo(this.record)).then(
      (appended) => this.committed(batch, appended),
      (cause: unknown) => batch.reject(this.breakDown(cause)),
    );
  }

  /** The batch that stands open; `takeBatch` is for who writes it. */
  get openRows(): Pick<Batch, "ended" | "rows"> | undefined {
    return this.batch;
  }

  takeBatch(): Batch | undefined {
    const { batch } = this;
    this.batch = undefined;
    return batch;
  }

  /** Nothing of what was judged since was written. */
  goBack({ snapshot, seq }: Stand, batch: Batch | undefined): void {
    if (batch) this.keys.forget(batch.rows);
    this.seq = seq;
    this.putBack(snapshot);
  }

  /** Its terminal is in the log, and not from here. */
  endedElsewhere(ended: TerminalState): void {
    this.ending = ended;
    this.host.drop(this, ended);
  }

  /** As the log has it, once it has ended. */
  get endedRecord(): RunRecord | undefined {
    const { record, fence, seq, offset, ending } = this;
    return ending && { ...record, fence, seq, lastOffset: offset, ended: ending };
  }

  /** Why nothing can be written to it any more. */
  get breakdown(): Error | undefined {
    return this.broken;
  }

  /** The machine's word on the batch; an illegal one leaves the run as it was. */
  private judged(fresh: readonly Prepared[], prepared: readonly Prepared[], terms: PublishTerms): Verdict {
    const before = this.actor.getSnapshot();
    const policy: OnIllegal = terms.bySupervisor ? "reject" : this.record.onIllegal;
    const events = fresh.map(({ event }) => event);
    const verdict = judge(this.actor, events, policy, terms.bySupervisor);
    if (!(verdict instanceof IllegalTransition)) {
      this.leans ||= verdict.apart.length + verdict.repaired > 0;
      return verdict;
    }
    this.putBack(before);
    throw inWholeBatch(verdict, fresh, prepared);
  }

  committed(batch: Batch, appended: Appended): void {
    if (appended.kind !== "appended") return batch.reject(this.breakDown(appended));
    const firstOffset = appended.offset + 1 - batch.rows.length;
    this.offset = appended.offset;
    this.keys.place(batch.rows, firstOffset);
    this.host.countAccepted(batch.rows.length);
    if (!batch.bySupervisor) this.onHeard();
    this.ending ??= batch.ended;
    if (batch.ended) this.host.drop(this, batch.ended);
    else for (const event of batch.dated ?? []) this.onDated(event, Date.parse(batch.time));
    batch.resolve(firstOffset - batch.afterSeq, appended.durability !== "none");
  }

  /** `shift` is offset − seq within the batch, which is contiguous in both. */
  private answer(
    shift: number,
    lastSeq: Seq,
    lastKey: string | undefined,
    verdict: Verdict,
    duplicates: number,
  ): PublishAnswer {
    const last = lastKey === undefined ? undefined : this.keys.get(lastKey);
    return {
      seq: last?.seq ?? lastSeq,
      offset: last?.offset ?? lastSeq + shift - 1,
      duplicates,
      ...(verdict.repaired > 0 && { repaired: verdict.repaired }),
      ...(verdict.apart.length > 0 && { quarantined: verdict.apart.length }),
    };
  }

  private async answerNothingWritten(
    verdict: Verdict,
    duplicates: number,
    apart: Promise<unknown> | undefined,
  ): Promise<PublishAnswer> {
    await (apart ?? this.keepApart(verdict));
    await this.tail;
    if (this.broken) throw this.broken;
    return { seq: this.seq, offset: this.offset, duplicates, quarantined: verdict.apart.length };
  }

  /** Undefined when there is nothing; else the answer waits for it: what is kept apart is kept. */
  private keepApart({ apart }: Verdict): Promise<void> | undefined {
    if (apart.length === 0) return undefined;
    const kept = this.host.apart.keep(this.record, apart);
    kept.catch(nothing);
    return kept;
  }

  /** The picture in memory is no longer the log's: say what happened, and be dropped. */
  breakDown(cause: unknown): Error {
    const error = breakdownError(cause);
    this.broken =
      error instanceof LogUnavailable || error instanceof LogFull
        ? error
        : new LogUnavailable({ message: "the run moved on elsewhere; repeat the call", retryAfterMs: 0, cause });
    this.host.drop(this, endOf(cause));
    return error;
  }
}
