/**
 * The turns of one run on a log that other processes write to as well: what is said of it is judged on this process'
 * picture and written one append at a time; when the log, or the judgment, says that the picture is old, it is brought up
 * to date and all of the turn is judged again, before anybody is answered. So the order of one runner's words is kept,
 * and nothing is refused for what only this process believed (L1, L2, L14).
 */
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import { Fenced, IllegalTransition, LogFull, LogUnavailable, RunEnded, SeqConflict } from "../errors.ts";
import type { Appended, StoredEvent } from "../log/event-log.ts";
import { runPages } from "../log/run-pages.ts";
import type { Batch } from "./batch.ts";
import { maxBatchRows } from "./batch.ts";
import type { LiveRun } from "./live-run.ts";
import { Receipt } from "./receipt.ts";
import { factOf } from "./run-actor.ts";
import { isDated } from "./run-dates.ts";
import type { PublishTerms, RunHost } from "./run-host.ts";
import type { Stand } from "./run-picture.ts";

/** Each means that somebody else wrote to this run between our look and our word. */
const maxTries = 16;

/** Something that one caller said; its promise is the answer. */
interface Said extends PromiseWithResolvers<PublishAnswer> {
  readonly events: readonly EventInput[];
  readonly terms: PublishTerms;
}

interface Look extends PromiseWithResolvers<void> {
  readonly isLook: true;
}

interface Weighed {
  readonly said: Said;
  /** Undefined: refused, for `cause`. */
  readonly receipt: Receipt | undefined;
  readonly cause?: unknown;
}

const nothing = (): void => {};
const isLook = (turn: Said | Look | undefined): turn is Look => turn !== undefined && "isLook" in turn;
/** Refusals that another picture of the run may turn into a yes. */
const restsOnPicture = (cause: unknown): boolean =>
  cause instanceof IllegalTransition || cause instanceof Fenced || cause instanceof SeqConflict;

export class RunTurns {
  private readonly run: LiveRun;
  private readonly host: RunHost;
  private queue: (Said | Look)[] = [];
  private underWay: readonly Said[] = [];
  private working: Promise<void> | undefined;

  constructor(run: LiveRun, host: RunHost) {
    this.run = run;
    this.host = host;
  }

  /** Words of its runner are on their way to the log. */
  get isHearing(): boolean {
    const isRunners = (turn: Said | Look): boolean => !isLook(turn) && turn.terms.bySupervisor !== true;
    return this.underWay.some(isRunners) || this.queue.some(isRunners);
  }

  say(events: readonly EventInput[], terms: PublishTerms): Receipt {
    const said: Said = { ...Promise.withResolvers<PublishAnswer>(), events, terms };
    // Most answers nobody waits for.
    said.promise.catch(nothing);
    this.add(said);
    return new Receipt(() => said.promise);
  }

  /** Brings the picture up to date, behind what was said before. Fails: `LogUnavailable`. */
  look(): Promise<void> {
    const waiting = this.queue.find(isLook);
    if (waiting) return waiting.promise;
    const look: Look = { ...Promise.withResolvers<void>(), isLook: true };
    this.add(look);
    return look.promise;
  }

  /** When nothing waits any more; never rejects. */
  settled(): Promise<void> {
    return this.working ?? Promise.resolve();
  }

  private add(turn: Said | Look): void {
    this.queue.push(turn);
    this.working ??= this.work();
  }

  private async work(): Promise<void> {
    // What is said within one turn of the event loop is written together.
    await Promise.resolve();
    while (this.queue.length > 0) {
      const first = this.queue[0];
      if (isLook(first)) {
        this.queue.shift();
        await this.carryOut(first);
      } else {
        this.underWay = this.take();
        await this.turn(this.underWay);
        this.underWay = [];
      }
    }
    this.working = undefined;
  }

  private async carryOut(look: Look): Promise<void> {
    try {
      if (!this.run.isOver) await this.catchUp([]);
      look.resolve();
    } catch (cause) {
      look.reject(cause);
    }
  }

  /** What stands first and comes from one side: a batch is its runner's or the supervisor's. */
  private take(): readonly Said[] {
    const taken: Said[] = [];
    for (const turn of this.queue) {
      if (isLook(turn) || turn.terms.bySupervisor !== taken[0]?.terms.bySupervisor) {
        if (taken.length > 0 || isLook(turn)) break;
      }
      taken.push(turn);
    }
    this.queue = this.queue.slice(taken.length);
    return taken;
  }

  /** Judges and writes; every one of them is answered, or stands in the queue again. */
  private async turn(calls: readonly Said[]): Promise<void> {
    const { run } = this;
    try {
      let isFresh = false;
      for (let tries = 0; tries < maxTries; tries += 1) {
        if (run.isOver) return this.answerOver(calls);
        const { stand } = run;
        const weighed = this.weigh(calls);
        const isDoubtful = !isFresh && (run.leans || weighed.some(({ cause }) => restsOnPicture(cause)));
        const batch = run.takeBatch();
        if (!isDoubtful && (batch === undefined || (await this.write(batch, stand))))
          return this.answer(weighed, calls);
        if (isDoubtful) run.goBack(stand, batch);
        if (!run.isOver) await this.catchUp(calls);
        isFresh = true;
      }
      const message = "others write to this run faster than it can be judged; repeat the call";
      throw new LogUnavailable({ message, retryAfterMs: 0 });
    } catch (cause) {
      for (const { reject } of calls) reject(cause);
    }
  }

  private weigh(calls: readonly Said[]): readonly Weighed[] {
    const { run } = this;
    const weighed: Weighed[] = [];
    run.leans = false;
    for (const said of calls) {
      const open = run.openRows;
      // One append holds so much, and nothing behind a terminal.
      if (open !== undefined && (open.ended !== undefined || open.rows.length >= maxBatchRows)) break;
      try {
        weighed.push({ said, receipt: run.weigh(said.events, said.terms) });
      } catch (cause) {
        weighed.push({ said, receipt: undefined, cause });
      }
    }
    return weighed;
  }

  /** False: nothing was written, for the log has another picture of the run. */
  private async write(batch: Batch, stand: Stand): Promise<boolean> {
    const { run, host } = this;
    const { unproven } = run;
    let answer: Appended;
    try {
      answer = await host.log.append(batch.appendTo(run.record, true));
    } catch (cause) {
      if (cause instanceof LogFull) {
        run.goBack(stand, batch);
        throw cause;
      }
      if (run.epoch !== undefined) run.basis = { ...stand, epoch: run.epoch };
      throw run.breakDown(cause);
    }
    if (answer.kind !== "appended") {
      run.goBack(stand, batch);
      return false;
    }
    if (run.unproven === unproven) run.unproven = undefined;
    run.committed(batch, answer);
    // The log has lost what this picture was drawn from, and more: a desk that is built anew sees what is there.
    if ((run.epoch ??= answer.epoch) !== answer.epoch && !run.isOver) run.breakDown({ kind: "no_run" });
    return true;
  }

  private answer(weighed: readonly Weighed[], calls: readonly Said[]): void {
    this.queue.unshift(...calls.slice(weighed.length));
    for (const { said, receipt, cause } of weighed) {
      if (receipt !== undefined) {
        said.resolve(receipt);
        continue;
      }
      this.host.countRefused(said.events.length);
      said.reject(cause);
    }
  }

  private answerOver(calls: readonly Said[]): void {
    const { run, host } = this;
    const record = run.endedRecord;
    for (const { events, terms, resolve, reject } of calls) {
      if (record === undefined) reject(run.breakdown);
      else if (terms.bySupervisor) reject(new RunEnded({ state: record.ended ?? "completed" }));
      else resolve(host.late(record, events, terms));
    }
  }

  /** Tells the actor, and who waits for dates, what the log holds behind the last event that is known here. */
  private async catchUp(calls: readonly Said[]): Promise<void> {
    const { run, host } = this;
    const { tenantId, runId } = run.record;
    const record = await host.log.run(tenantId, runId);
    // It is gone, or its log has lost what was there: a desk that is built anew knows.
    if (record === undefined || record.seq < run.seq) return void run.breakDown({ kind: "no_run" });
    const events: StoredEvent[] = [];
    for await (const page of runPages(host.log, record, run.seq)) events.push(...page);
    if (record.ended === undefined) await run.keys.learnFromOthers(calls.flatMap((call) => call.events));
    const facts = events.flatMap((event) => {
      const fact = factOf(event);
      return fact === undefined ? [] : [{ fact, atMs: Date.parse(event.time) }];
    });
    run.seq = record.seq;
    run.offset = record.lastOffset;
    run.heardElsewhere += events.length;
    for (const { fact } of facts) run.actor.send(fact);
    if (record.fence !== run.fence) {
      run.fence = record.fence;
      run.onTakenOver();
    }
    // Who asks it to stop is not its runner.
    if (events.some(({ type }) => type !== "cancel_requested")) run.onHeard();
    for (const { fact, atMs } of facts) if (isDated(fact)) run.onDated(fact, atMs);
    if (record.ended !== undefined) run.endedElsewhere(record.ended);
    else if (endsWell(calls)) await host.findChildren(run);
  }
}

/** A run may not complete while one that it made lives, wherever that is: the log says so, or this picture. */
const endsWell = (calls: readonly Said[]): boolean =>
  calls.some(({ events }) => events.some(({ type }) => type === "agent_completed"));
