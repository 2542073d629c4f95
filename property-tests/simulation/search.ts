/** What a search over many worlds adds up to. */
import type { Result } from "./simulate.ts";
import type { FaultKind } from "./script.ts";
import type { RareState } from "./sometimes.ts";
import { Sometimes, statesOf } from "./sometimes.ts";

const yearMs = 365.25 * 24 * 3_600_000;

export class Search {
  /** Its worlds have several servers at a time. */
  private readonly isSeveral: boolean;
  worlds = 0;
  virtualMs = 0;
  steps = 0;
  events = 0;
  readonly faults = new Map<FaultKind, number>();
  readonly sometimes = new Sometimes();
  readonly failedSeeds: number[] = [];

  constructor(isSeveral = false) {
    this.isSeveral = isSeveral;
  }

  /** What was never seen. */
  get never(): readonly RareState[] {
    return this.sometimes.never(this.isSeveral);
  }

  add({ world, script, violations }: Result): void {
    this.worlds += 1;
    this.virtualMs += world.time.nowMs;
    this.steps += world.time.steps;
    for (const stream of world.streams) this.events += world.history.head(stream);
    for (const [kind, count] of world.inflicted) this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
    this.sometimes.add(world.sometimes);
    if (violations.length > 0) this.failedSeeds.push(script.seed);
  }

  report(seconds: number): readonly string[] {
    const { worlds, virtualMs, faults, sometimes, failedSeeds } = this;
    const injected = [...faults.values()].reduce((sum, count) => sum + count, 0);
    return [
      `worlds ${worlds}, ${(worlds / seconds).toFixed(1)} a second`,
      `virtual time ${(virtualMs / 3_600_000).toFixed(1)} h = ${(virtualMs / yearMs).toFixed(4)} years, ${Math.round(virtualMs / 1_000 / seconds)}x real time`,
      `steps ${this.steps}, events ${this.events}, faults ${injected}`,
      ...[...faults].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => `  ${kind} ${count}`),
      "sometimes",
      ...statesOf(this.isSeveral).map((state) => `  ${sometimes.reached.get(state) ?? 0} ${state}`),
      `violations ${failedSeeds.length}${failedSeeds.length > 0 ? `: ${failedSeeds.join(" ")}` : ""}`,
    ];
  }
}
