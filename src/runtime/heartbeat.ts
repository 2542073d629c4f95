/**
 * The one heartbeat of all connections: it goes round in steps, so that pings never come in one burst, on one deadline of
 * the wheel whatever their number. `connections` says what a beat is.
 */
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadlines } from "./deadlines.ts";

const stepCount = 16;
/** Of a UUIDv7: a hexadecimal digit that is drawn. */
const randomDigit = 17;
/** Late steps are made good up to here: two ticks of the wheel. More would ping twice before anybody could answer. */
const maxBehindMs = 100;

export interface HeartbeatTerms<Member> {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly heartbeatMs: number;
  readonly journal: Journal;
  readonly beat: (member: Member) => void;
}

export class Heartbeat<Member> {
  private readonly terms: HeartbeatTerms<Member>;
  private readonly steps: Set<Member>[] = Array.from({ length: stepCount }, () => new Set());
  private step = 0;

  constructor(terms: HeartbeatTerms<Member>) {
    this.terms = terms;
    this.goOn(0);
  }

  /**
   * The answer is the step that it sits in: `delete` it from there when it is over. By the chance in its id, and not in
   * turn: when a ping comes must not tell how many others have come (L8).
   *
   * Shape: `id` is a UUIDv7.
   */
  join(member: Member, id: string): Set<Member> | undefined {
    const step = Number.parseInt(id.charAt(randomDigit), stepCount) || 0;
    return this.steps[step]?.add(member);
  }

  /** Counted from step to step, so that the wheel's ticks do not add up; what the process slept through is skipped. */
  private goOn(dueMono: number): void {
    const { deadlines, heartbeatMs, clock, journal, beat } = this.terms;
    const earliestMono = clock.mono() - Math.min(maxBehindMs, heartbeatMs / 2);
    const nextMono = Math.max(dueMono, earliestMono) + heartbeatMs / stepCount;
    deadlines.at(nextMono, () => {
      // First: one member that throws must not end the heartbeat of all.
      this.goOn(nextMono);
      this.step = (this.step + 1) % stepCount;
      for (const member of this.steps[this.step] ?? []) {
        try {
          beat(member);
        } catch (cause) {
          // Its neighbours in the step have done nothing.
          journal.write("error", "heartbeat.failed", { cause });
        }
      }
    });
  }
}
