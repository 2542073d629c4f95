/** The people whom a runner asks: the schedule says who refuses, and who never answers. */
import { placesOf, type Schedule } from "./schedule.ts";
import type { Decision } from "./stage.ts";

export class People {
  readonly decisions: Record<string, Decision> = {};
  private readonly schedule: Schedule;

  constructor(schedule: Schedule) {
    this.schedule = schedule;
  }

  get count(): number {
    return Object.keys(this.decisions).length;
  }

  wereAsked(approvalId: string): boolean {
    return Object.hasOwn(this.decisions, approvalId);
  }

  /** What becomes of the next approval. */
  decide(approvalId: string): Decision {
    const which = this.count + 1;
    const answer = placesOf(this.schedule, "deny").includes(which) ? "deny" : "approve";
    const decision = placesOf(this.schedule, "expire").includes(which) ? "expired" : answer;
    this.decisions[approvalId] = decision;
    return decision;
  }
}
