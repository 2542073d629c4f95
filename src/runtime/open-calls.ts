/**
 * Tool calls that are open for too long. `lookout` has it look at living runs every few seconds, so many a look: an event
 * costs nothing for it, and a call is known from the first look that finds it open.
 */
import type { Clock } from "../platform/clock.ts";
import type { RunDesk } from "./run-desk.ts";

/** Of one look: under a millisecond. */
const maxRunsPerLook = 1_000;
/** PRODUCT §4. */
const overdueMs = 60_000;

export interface OpenCallsTerms {
  readonly runs: () => Iterable<RunDesk>;
  readonly clock: Clock;
}

export class OpenCalls {
  private readonly terms: OpenCallsTerms;
  /** By call and attempt: since when it is known to be open. Units: monotonic ms. */
  private readonly open = new Map<RunDesk, ReadonlyMap<string, number>>();
  private round: Iterator<RunDesk> | undefined;

  constructor(terms: OpenCallsTerms) {
    this.terms = terms;
  }

  /** Calls that are open for longer than a minute, not counting time in which their run waited for a human. */
  overdueCount(): number {
    const before = this.terms.clock.mono() - overdueMs;
    let count = 0;
    for (const [{ run }, calls] of this.open) {
      if (run.isOver || run.isWaiting) continue;
      for (const sinceMono of calls.values()) if (sinceMono <= before) count += 1;
    }
    return count;
  }

  /** Looks at the next living runs. */
  look(): void {
    this.round ??= this.terms.runs()[Symbol.iterator]();
    for (let looked = 0; looked < maxRunsPerLook; looked += 1) {
      const next = this.round.next();
      if (next.done === true) return this.endRound();
      this.lookAt(next.value);
    }
  }

  private endRound(): void {
    this.round = undefined;
    for (const desk of this.open.keys()) if (desk.run.isOver) this.open.delete(desk);
  }

  private lookAt(desk: RunDesk): void {
    const { context } = desk.run.actor.getSnapshot();
    if (context.open === 0 || desk.run.isOver) return void this.open.delete(desk);
    const known = desk.run.isWaiting ? undefined : this.open.get(desk);
    const nowMono = this.terms.clock.mono();
    const calls = new Map<string, number>();
    for (const [id, { status, attempt }] of Object.entries(context.calls)) {
      const key = `${attempt} ${id}`;
      if (status === "executing") calls.set(key, known?.get(key) ?? nowMono);
    }
    this.open.set(desk, calls);
  }
}
