/**
 * The critical events that nobody has acknowledged yet, of all users: waits for acks, and when the wait of one is over
 * lets it climb the rungs (`escalation-climb`), few at a time. What there is to do stands in the log's outbox: this hears
 * of new rows by the log's bells, and looks there at the start and now and then for whatever it does not know (L10). Where
 * other processes share the log, a row that one of them has claimed is theirs until it has stood still for a term.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import { streamOwner } from "../../protocol/ids.ts";
import type { Bell, EventLog } from "../log/event-log.ts";
import type { OutboxRow, OutboxState } from "../log/outbox.ts";
import type { ClimbTerms, EscalationCounts } from "./escalation-climb.ts";
import { allRungsDead, claimTermMs, Climb, noticeInDoubt, userUnreachable } from "./escalation-climb.ts";
import { noteOf } from "./escalation-note.ts";
import { spread } from "./spread.ts";
import type { FallbackFigures } from "./runtime-figures.ts";
import type { WaitingRow } from "./waiting-rows.ts";
import { WaitingRows } from "./waiting-rows.ts";

export interface EscalationsTerms extends Omit<ClimbTerms, "log" | "counts"> {
  readonly log: EventLog;
  /** Acks that wait in memory are written before the outbox is looked through. */
  readonly saveCursors: () => Promise<void>;
  /** Rows that are kept in memory; the others are found when there is room. Default 100,000. */
  readonly maxWaiting?: number | undefined;
}

const defaultMaxWaiting = 100_000;
/** Calls of channels at once: a mass of failures must not be a mass of sockets. */
const maxClimbs = 32;
/** Between two looks at the outbox; also how long a row that nobody heard of waits longer. */
const lookMs = 30_000;
/** Where other processes write rows, too: between two looks for those that wait, of which no bell tells. */
const newRowsMs = 5_000;
/** So much longer a row waits that another process wrote: that one goes first. */
const othersFirstMs = 2_000;
const rowsPerLook = 500;
/** How long the end of the process waits for calls that are under way. */
const stopMs = 3_000;
const openStates: readonly OutboxState[] = ["waiting", "trying", "exhausted"];

export class Escalations {
  private readonly counts: EscalationCounts = {
    escalated: 0,
    rested: 0,
    acked: 0,
    inDoubt: 0,
    told: new Map(),
    failed: new Map(),
  };
  private readonly terms: EscalationsTerms;
  private readonly waiting: WaitingRows;
  private readonly climbs = new Set<Climb>();
  private readonly unwatch: () => void;
  private readonly idle: (() => void)[] = [];
  /** Acks since the last look: a page that was read before one does not bring its row back. */
  private readonly ackedLately = new Map<StreamKey, number>();
  private criticalEvents = 0;
  private doubtsTold = 0;
  private exhausted = 0;
  private isStopped = false;
  private looksForNew = false;

  constructor(terms: EscalationsTerms) {
    this.terms = terms;
    this.waiting = new WaitingRows(terms.deadlines, terms.maxWaiting ?? defaultMaxWaiting, () => this.climbOn());
    this.unwatch = terms.log.watch((bell) => {
      if (bell.escalated !== undefined) this.heard(bell);
    });
  }

  get figures(): FallbackFigures {
    const { criticalEvents } = this;
    const { rested: _, ...counts } = this.counts;
    return { ...counts, criticalEvents, pending: this.waiting.size + this.climbs.size, exhausted: this.exhausted };
  }

  /** Looks at what a former process left, and then from time to time. */
  start(): void {
    void this.look().then(() => {
      if (!this.isStopped) this.terms.deadlines.after(this.pauseMs(lookMs), () => this.start());
    });
    if (this.terms.log.isShared && !this.looksForNew) this.lookForNew();
  }

  private pauseMs(ms: number): number {
    return this.terms.log.isShared ? spread(this.terms.clock, ms) : ms;
  }

  /** Rows that other processes wrote. */
  private lookForNew(): void {
    const { deadlines, journal } = this.terms;
    this.looksForNew = true;
    deadlines.after(this.pauseMs(newRowsMs), () => {
      if (this.isStopped) return;
      this.eachRow(["waiting"], (row) => this.find(row))
        .catch((cause: unknown) => journal.write("debug", "outbox.notRead", { cause }))
        .finally(() => this.lookForNew());
    });
  }

  private async eachRow(states: readonly OutboxState[], task: (row: OutboxRow) => void): Promise<void> {
    for (let after: string | null | undefined; after !== null && !this.isStopped; ) {
      const page = await this.terms.log.outbox({ states, limit: rowsPerLook, ...(after && { after }) });
      for (const row of page.rows) task(row);
      after = page.next;
    }
  }

  /** A device has acknowledged a stream up to here. */
  acked(stream: StreamKey, upto: number): void {
    this.ackedLately.set(stream, Math.max(upto, this.ackedLately.get(stream) ?? 0));
    this.counts.acked += this.waiting.drop(stream, upto);
    for (const climb of this.climbs)
      if (climb.row.stream === stream && climb.row.offset <= upto) climb.tell("ack.arrived");
  }

  /**
   * Its owner may not be told any more: nothing that waits for them is told, and what is under way is the last. The answer
   * is how many rows are dropped.
   */
  async dropOf(stream: StreamKey): Promise<number> {
    const { log, journal } = this.terms;
    this.waiting.drop(stream, Number.POSITIVE_INFINITY);
    for (const climb of this.climbs) if (climb.row.stream === stream) climb.tell("owner.revoked");
    let dropped = 0;
    for (let after: string | null | undefined; after !== null; ) {
      const page = await log.outbox({ stream, states: openStates, limit: rowsPerLook, ...(after && { after }) });
      for (const { offset, version, state } of page.rows) {
        // It writes down itself what became of the call.
        if (state === "trying" && this.isClimbing(stream, offset)) continue;
        await log.moveOutbox({ stream, offset, version, to: undefined });
        dropped += 1;
      }
      after = page.next;
    }
    journal.write("info", "notices.dropped", { ...streamOwner(stream), notices: dropped });
    return dropped;
  }

  /** Calls nobody any more; what is under way has a moment to be written down. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.unwatch();
    for (const climb of this.climbs) climb.stop();
    if (this.climbs.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.terms.clock.after(stopMs, resolve);
      this.idle.push(() => {
        cancel();
        resolve();
      });
    });
  }

  private heard({ stream, escalated = [] }: Bell): void {
    const { clock, rules } = this.terms;
    for (const { offset, type } of escalated) {
      this.criticalEvents += 1;
      const row: WaitingRow = { stream, offset, state: "waiting", note: "", version: 1 };
      this.waiting.add(row, clock.mono() + rules.ackWaitOf(stream, type));
    }
  }

  private async look(): Promise<void> {
    const { alerts, journal, saveCursors } = this.terms;
    let [failed, unreachable] = [0, 0];
    const { rested, inDoubt } = this.counts;
    try {
      const before = new Map(this.ackedLately);
      await saveCursors();
      // It holds from one look to the next: nothing can be done about it but to know.
      if (inDoubt === this.doubtsTold) alerts.resolve(noticeInDoubt);
      this.doubtsTold = inDoubt;
      // What was acknowledged before is durable now: the log does not name it any more.
      for (const [stream, upto] of before) if (this.ackedLately.get(stream) === upto) this.ackedLately.delete(stream);
      await this.eachRow(openStates, (row) => {
        this.find(row);
        if (row.state !== "exhausted") return;
        if (noteOf(row.note)?.outcomes.some(({ outcome }) => outcome === "failed") === true) failed += 1;
        else unreachable += 1;
      });
      if (this.isStopped) return;
      this.exhausted = failed + unreachable;
      // One may have come to rest behind the page that was read.
      if (this.climbs.size > 0 || this.counts.rested !== rested) return;
      if (failed === 0) alerts.resolve(allRungsDead);
      if (unreachable === 0) alerts.resolve(userUnreachable);
    } catch (cause) {
      // A log that is down says so itself; the next look comes.
      journal.write("debug", "outbox.notRead", { cause });
    }
  }

  /** A row that nobody here knew of, or that has no room: it stays where it is. */
  private find(row: OutboxRow): void {
    const { stream, offset, state, note, version } = row;
    if (this.isStopped || this.isClimbing(stream, offset) || offset <= (this.ackedLately.get(stream) ?? 0)) return;
    const waitMs = this.waitOf(row);
    // What rests for longer is found by a later look.
    if (state === "exhausted" && waitMs > lookMs) return;
    this.waiting.add({ stream, offset, state, note, version }, this.terms.clock.mono() + waitMs);
  }

  /** By the wall clock, but never longer than it may be at all: a clock that was set back keeps nobody waiting. */
  private waitOf({ stream, type, time, state, note }: OutboxRow): number {
    const { clock, rules, log } = this.terms;
    const leftMs = (dueMs: number): number => Math.max(0, dueMs - clock.now());
    const { retryAt } = noteOf(note) ?? {};
    if (state === "exhausted" && retryAt !== undefined) return leftMs(Date.parse(retryAt));
    // Whoever claimed it may live: if it stands so for a term, nobody does.
    if (state === "trying" && log.isShared) return claimTermMs;
    // A dead process, or one that drained, left it on its way.
    if (state !== "waiting" || note !== "") return 0;
    const ackWaitMs = rules.ackWaitOf(stream, type);
    const waitMs = Math.min(ackWaitMs, leftMs(Date.parse(time) + ackWaitMs));
    return log.isShared ? waitMs + othersFirstMs : waitMs;
  }

  private isClimbing(stream: StreamKey, offset: number): boolean {
    for (const { row } of this.climbs) if (row.stream === stream && row.offset === offset) return true;
    return false;
  }

  private climbOn(): void {
    while (this.climbs.size < maxClimbs && !this.isStopped) {
      const row = this.waiting.take();
      if (row === undefined) return;
      void this.climb(row);
    }
  }

  private async climb(row: WaitingRow): Promise<void> {
    const climb = new Climb({ ...this.terms, counts: this.counts }, row);
    this.climbs.add(climb);
    try {
      await climb.run();
    } catch (cause) {
      // The row is still there: the next look finds it.
      this.terms.journal.write("error", "escalation.failed", { ...streamOwner(row.stream), offset: row.offset, cause });
    } finally {
      this.climbs.delete(climb);
      if (this.climbs.size === 0) for (const done of this.idle.splice(0)) done();
      this.climbOn();
    }
  }
}
