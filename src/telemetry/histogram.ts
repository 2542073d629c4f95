/** A histogram in Prometheus' shape: fixed buckets, one addition for each observation. */
import type { Sample } from "./metric.ts";

/** From a hand-over within one process to a phone on a bad line. Units: seconds. */
const latencyBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
const msPerSecond = 1_000;

export class LatencyHistogram {
  /** Of each bucket alone; the last one is for what is beyond all bounds. */
  private readonly counts: number[] = Array.from({ length: latencyBounds.length + 1 }, () => 0);
  private sumMs = 0;

  observeMs(ms: number): void {
    const seconds = ms / msPerSecond;
    let bucket = 0;
    while (bucket < latencyBounds.length && seconds > (latencyBounds[bucket] ?? 0)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sumMs += ms;
  }

  samples(): readonly Sample[] {
    let count = 0;
    const buckets = this.counts.map((added, index): Sample => {
      count += added;
      const le = latencyBounds[index];
      return { suffix: "_bucket", labels: { le: le === undefined ? "+Inf" : String(le) }, value: count };
    });
    return [...buckets, { suffix: "_sum", value: this.sumMs / msPerSecond }, { suffix: "_count", value: count }];
  }
}
