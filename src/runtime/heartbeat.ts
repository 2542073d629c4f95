/**
 * The one heartbeat of all connections: it goes round in steps, so that pings never come in one burst, on one deadline of
 * the wheel whatever their number. `connections` says what a beat is.
 */
import type { Clock } from "../platform/clock.ts";
import type { Deadlines } from "./deadlines.ts";

const stepCount = 16;
/** Late steps are made good up to here: two ticks of the wheel. More would ping twice before anybody could answer. */
const maxBehindMs = 100;

export interface HeartbeatTerms<Member> {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly heartbeatMs: number;
  readonly beat: (member: Member) => void;
}

export class Heartbeat<Member> {
  private readonly terms: HeartbeatTerms<Member>;
  private readonly steps: Set<Member>[] = Array.from({ length: stepCount }, () => new Set());
  private joined = 0;
  private step = 0;

  constructor(terms: HeartbeatTerms<Member>) {
    this.terms = terms;
    this.goOn(0);
  }

  /** The answer is the step that it sits in: `delete` it from there when it is over. */
  join(member: Member): Set<Member> | undefined {
    this.joined += 1;
    return this.steps[this.joined % stepCount]?.add(member);
  }

  /** Counted from step to step, so that the wheel's ticks do not add up; what the process slept through is skipped. */
  private goOn(dueMono: number): void {
    const { deadlines, heartbeatMs, clock, beat } = this.terms;
    const earliestMono = clock.mono() - Math.min(maxBehindMs, heartbeatMs / 2);
    const nextMono = Math.max(dueMono, earliestMono) + heartbeatMs / stepCount;
    deadlines.at(nextMono, () => {
      // First: one member that throws must not end the heartbeat of all.
      this.goOn(nextMono);
      this.step = (this.step + 1) % stepCount;
      for (const member of this.steps[this.step] ?? []) beat(member);
    });
  }
}
