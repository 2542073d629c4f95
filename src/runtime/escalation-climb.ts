/**
 * One row of the outbox whose wait is over: does what `machines/escalation` decides. What is about to be done is durable
 * before it is done, and what it came to is durable before the next thing is: so a process that dies at any point leaves
 * a row from which the next one goes on, and nobody is told twice (docs/decisions/0018-one-notice).
 */
import type { Actor } from "xstate";
import type { EscalationFact, EscalationSnapshot } from "../../machines/escalation.ts";
import { channelsDue, escalationMachine, hasFailures } from "../../machines/escalation.ts";
import { streamOwner } from "../../protocol/ids.ts";
import type { Channel } from "../fallback/channel.ts";
import type { Contacts } from "../fallback/contacts.ts";
import { speaksAgainstChannel } from "../fallback/not-taken.ts";
import type { EventLog } from "../log/event-log.ts";
import type { MoveOutbox, OutboxRow, OutboxState } from "../log/outbox.ts";
import type { Clock } from "../platform/clock.ts";
import type { Alerts } from "../telemetry/alerts.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Breakers } from "./breakers.ts";
import { CircuitOpen } from "./breakers.ts";
import type { Deadlines } from "./deadlines.ts";
import type { EscalationNote } from "./escalation-note.ts";
import { noteOf, noteText } from "./escalation-note.ts";
import type { EscalationRules } from "./escalation-policy.ts";
import { noticeOf } from "./notice-text.ts";
import type { Supervisor } from "./supervisor.ts";
import type { WaitingRow } from "./waiting-rows.ts";

export interface ClimbTerms {
  readonly log: Pick<EventLog, "moveOutbox" | "isShared">;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly alerts: Alerts;
  readonly supervisor: Supervisor;
  readonly deadlines: Deadlines;
  readonly breakers: Breakers;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly contacts: Contacts;
  readonly rules: EscalationRules;
  readonly publicUrl: string | undefined;
  readonly nextId: () => string;
  readonly counts: EscalationCounts;
}

export interface EscalationCounts {
  /** Not acknowledged in time. */
  escalated: number;
  acked: number;
  inDoubt: number;
  /** By channel. */
  readonly told: Map<string, number>;
  readonly failed: Map<string, number>;
  /** How often nobody took one. */
  rested: number;
}

export const allRungsDead = "AllRungsDead";
export const userUnreachable = "UserUnreachable";
export const noticeInDoubt = "NoticeInDoubt";
/** Longer than any channel of ours takes to give up by itself. */
const callMs = 30_000;
/**
 * Where several processes share the log: how long one may stand still over a row that it has claimed before another takes
 * it over, on that one's own clock. A call, the moves before and after it, and as much again.
 */
export const claimTermMs = 2 * callMs + 30_000;
/** Of it, what must be left when a call begins. */
const leastTermMs = callMs + 15_000;
/** Between two tries to write down what must be, while the log does not answer. */
const logRetryMs = 1_000;
/** Of the first round; doubled by each, up to the longest. */
const firstRestMs = 60_000;
const longestRestMs = 3_600_000;
/** Who has no address anywhere gets one seldom. */
const longestUnreachableRestMs = 12 * 3_600_000;
/** Its receivers do not know a mail again: it is not sent once more when nobody knows whether it was. */
const unrepeatable: ReadonlySet<string> = new Set(["email"]);

export class Climb {
  readonly row: WaitingRow;
  private readonly terms: ClimbTerms;
  private readonly actor: Actor<typeof escalationMachine>;
  private version: number;
  private note: EscalationNote;
  private isGone = false;
  private isNew: boolean;
  private isStopped = false;

  constructor(terms: ClimbTerms, row: WaitingRow) {
    this.terms = terms;
    this.row = row;
    this.version = row.version;
    const before = noteOf(row.note);
    const { round = 0, attempts = 0 } = before ?? {};
    const plan = terms.rules.planOf(row.stream);
    const fresh = { plan, outcomes: [], trying: [], claim: "", round, attempts, movedAt: "" };
    this.note = before === undefined || row.state === "exhausted" ? fresh : before;
    this.isNew = before === undefined;
    this.actor = terms.supervisor.spawn(escalationMachine, { input: this.note }).start();
  }

  /** A device of the user has acknowledged the event, or its owner may not be told any more. */
  tell(type: "ack.arrived" | "owner.revoked"): void {
    this.actor.send({ type });
  }

  /** Nobody else is called; where it stands is written down. */
  stop(): void {
    this.isStopped = true;
  }

  /** Until it is over, rests, is somebody else's, or the process ends. Never rejects for what a channel or the log does. */
  async run(): Promise<void> {
    try {
      // A dead process may have told it there: it waits until that channel can be asked, and is told nowhere else.
      if (this.note.trying.some((name) => !unrepeatable.has(name) && !this.terms.breakers.of(name).lets)) return;
      if (this.terms.log.isShared && !(await this.claim())) return;
      if (this.isNew) this.terms.counts.escalated += 1;
      this.hear({ type: "ackWait.passed" });
      for (const channel of this.note.trying)
        if (unrepeatable.has(channel)) this.hear({ type: "channel.doubted", channel });
      for (;;) {
        const { value } = this.now;
        if (this.now.hasTag("over")) return await this.settle();
        if (value === "exhausted") return await this.rest();
        if (value === "rung6") this.tellOperator();
        else if (this.isStopped) return await this.leave();
        else await this.call(channelsDue(this.now));
      }
    } finally {
      this.terms.supervisor.release(this.actor);
    }
  }

  private get now(): EscalationSnapshot {
    return this.actor.getSnapshot();
  }

  private hear(fact: EscalationFact): void {
    this.actor.send(fact);
  }

  /** Of several processes whose wait for it is over, one gets it. False: it is not this one, or nobody need be told. */
  private async claim(): Promise<boolean> {
    const moved = await this.move("trying", {}, true);
    if (moved === "acked") this.terms.counts.acked += 1;
    return typeof moved !== "string";
  }

  private async call(channels: readonly string[]): Promise<void> {
    const { clock, log } = this.terms;
    const attempts = this.note.attempts + channels.length;
    const askedMono = clock.mono();
    const moved = await this.move("trying", { trying: channels, attempts }, true);
    // The process stood still: another one may take the row over before this call would be done.
    if (log.isShared && clock.mono() - askedMono > claimTermMs - leastTermMs)
      return this.hear({ type: "event.retired" });
    if (moved === "acked") this.hear({ type: "ack.arrived" });
    // Retention took it, or somebody else has it.
    if (moved === "lost") this.hear({ type: "event.retired" });
    // An ack may have come while it was written.
    if (typeof moved === "string" || this.now.hasTag("over")) return;
    await Promise.all(channels.map((channel) => this.callOne(channel, moved)));
  }

  private async callOne(name: string, row: OutboxRow): Promise<void> {
    const { breakers, channels, contacts, counts, deadlines, journal, publicUrl } = this.terms;
    const ending = new AbortController();
    const late = new Promise<never>((_, reject) => {
      ending.signal.addEventListener("abort", () => reject(new Error(`no answer within ${callMs} ms`)));
    });
    const deadline = deadlines.after(callMs, () => ending.abort());
    try {
      const channel = channels.get(name);
      if (channel === undefined) throw new Error("it is not configured any more");
      const ask = () => Promise.race([channel.tell(noticeOf(row, publicUrl), ending.signal, contacts), late]);
      const told = await breakers.of(name).run(ask, speaksAgainstChannel);
      if (told.kind === "absent") return this.hear({ type: "channel.absent", channel: name });
      this.note = { ...this.note, told: { channel: name, by: told.by, at: this.timeText() } };
      counts.told.set(name, (counts.told.get(name) ?? 0) + 1);
      this.hear({ type: "channel.told", channel: name });
    } catch (cause) {
      if (!(cause instanceof CircuitOpen)) {
        counts.failed.set(name, (counts.failed.get(name) ?? 0) + 1);
        journal.write("warn", "notice.notTaken", { channel: name, eventId: row.eventId, cause });
      }
      const isDoubtful = ending.signal.aborted && unrepeatable.has(name);
      this.hear({ type: isDoubtful ? "channel.doubted" : "channel.failed", channel: name });
    } finally {
      deadline.cancel();
    }
  }

  private tellOperator(): void {
    const { alerts, counts, journal } = this.terms;
    const { stream, offset } = this.row;
    counts.rested += 1;
    const { outcomes } = this.now.context;
    const failed = outcomes.filter(({ outcome }) => outcome === "failed").map(({ channel }) => channel);
    journal.write("error", "notice.exhausted", { ...streamOwner(stream), offset, outcomes });
    alerts.raise(
      hasFailures(this.now)
        ? {
            name: allRungsDead,
            severity: "critical",
            summary: `No channel took the notice of a critical event (${failed.join(", ")} failed). It is stored, and tried again.`,
          }
        : {
            name: userUnreachable,
            severity: "warning",
            summary: "A critical event was not acknowledged, and its user has no address at any channel.",
          },
    );
    this.hear({ type: "operator.told" });
  }

  private async settle(): Promise<void> {
    const { value, context } = this.now;
    const { alerts, counts } = this.terms;
    if (value === "retired") return;
    if (value === "acked") counts.acked += 1;
    const isDoubted = this.note.told === undefined && context.outcomes.some(({ outcome }) => outcome === "doubted");
    if (isDoubted) {
      counts.inDoubt += 1;
      alerts.raise({
        name: noticeInDoubt,
        severity: "warning",
        summary:
          "A mail was under way when its process ended: nobody knows whether it was sent, and it is not sent again.",
      });
    }
    if (this.isGone) return;
    if (isDoubted || this.note.told !== undefined) {
      const flags = {
        ...(isDoubted && { inDoubt: true as const }),
        ...(value === "acked" && { acked: true as const }),
      };
      await this.move("told", { trying: [], ...flags });
    } else if (value === "acked") {
      // The ack may still be in memory only: the row goes with its cursor, and is there if both are lost.
      await this.move("waiting", { trying: [] }, true);
    } else {
      await this.move(undefined, {});
    }
  }

  private async rest(): Promise<void> {
    const round = this.note.round + 1;
    const longestMs = hasFailures(this.now) ? longestRestMs : longestUnreachableRestMs;
    const afterMs = Math.min(firstRestMs * 2 ** (round - 1), longestMs);
    const retryAt = new Date(this.terms.clock.now() + afterMs).toISOString();
    await this.move("exhausted", { trying: [], round, retryAt });
  }

  /** The next process goes on with the channel after the last that answered. */
  private async leave(): Promise<void> {
    if (this.version !== this.row.version) await this.move("waiting", { trying: [] });
  }

  /**
   * Moves the row, however long the log takes to answer. `acked`: a device was faster, and the row is gone. `lost`: it
   * stands otherwise than was known here, or the process ends.
   */
  private async move(
    to: OutboxState | undefined,
    change: Partial<EscalationNote>,
    unlessAcked = false,
  ): Promise<OutboxRow | "gone" | "acked" | "lost"> {
    const { log, nextId, deadlines } = this.terms;
    const { stream, offset } = this.row;
    const { outcomes } = this.now.context;
    const note = { ...this.note, outcomes, ...change, claim: nextId(), movedAt: this.timeText() };
    const move: MoveOutbox = { stream, offset, version: this.version, to, note: noteText(note), unlessAcked };
    for (;;) {
      try {
        const answer = await log.moveOutbox(move);
        this.isGone = answer.kind === "acked" || (answer.kind === "moved" && answer.row === undefined);
        if (answer.kind === "acked") return "acked";
        // The answer of an earlier try was lost: it is known by its claim.
        const isOurs = answer.kind === "moved" || answer.row?.note === move.note;
        if (!isOurs) return "lost";
        if (answer.row === undefined) return "gone";
        this.version = answer.row.version;
        this.note = note;
        return answer.row;
      } catch {
        if (this.isStopped) return "lost";
        await new Promise<void>((resolve) => void deadlines.after(logRetryMs, resolve));
      }
    }
  }

  private timeText(): string {
    return new Date(this.terms.clock.now()).toISOString();
  }
}
