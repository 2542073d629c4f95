/**
 * Rates of many callers at once (GCRA): a caller is one number, the time at which its allowance is whole again. No
 * timer, one look and one write a check, and a bounded map: who was heard of longest ago is forgotten first.
 */
import { Lru } from "../log/lru.ts";
import type { Clock } from "../platform/clock.ts";

const msPerSecond = 1_000;
/** So much of a rate may come at once: a page that opens, a batch, a reconnect are no flood. */
const burstSeconds = 10;
/** A rate below one a second still lets a few come at once. */
const minBurst = 10;
const defaultMaxCallers = 100_000;
/** Sums of fractions of a millisecond are not exact. */
const slackMs = 1e-6;

export class Rates {
  private readonly clock: Pick<Clock, "mono">;
  private readonly wholeAtMono: Lru<string, number>;

  constructor(clock: Pick<Clock, "mono">, maxCallers = defaultMaxCallers) {
    this.clock = clock;
    this.wholeAtMono = new Lru(maxCallers);
  }

  /** Callers that are remembered. */
  get size(): number {
    return this.wholeAtMono.size;
  }

  /**
   * Takes `cost` of a caller's allowance. 0: it was there; else nothing is taken, and it is there after so many ms.
   *
   * A cost above the burst passes when the allowance is whole, and what comes next waits for it.
   */
  take(caller: string, perSecond: number, cost = 1): number {
    const nowMono = this.clock.mono();
    const stepMs = msPerSecond / perSecond;
    const burst = Math.max(minBurst, perSecond * burstSeconds);
    const wholeAt = Math.max(this.wholeAtMono.get(caller) ?? nowMono, nowMono);
    const waitMs = wholeAt - nowMono - (burst - Math.min(cost, burst)) * stepMs;
    if (waitMs > slackMs) return Math.ceil(waitMs);
    this.wholeAtMono.set(caller, wholeAt + cost * stepMs);
    this.wholeAtMono.trim();
    return 0;
  }
}
