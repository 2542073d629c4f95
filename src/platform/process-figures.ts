/**
 * What this process costs: for `/metrics`. The delay histogram runs from the first call on. Node counts the whole time
 * between two beats of its timer in; what was waited for on purpose is taken off here.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";

export interface ProcessFigures {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly cpuSeconds: number;
  readonly uptimeSeconds: number;
  /** How late timers fire, since the last call. */
  readonly loopDelaySeconds: { readonly p50: number; readonly p99: number; readonly max: number };
}

const nsPerSecond = 1e9;
const msPerSecond = 1e3;
const usPerSecond = 1e6;
const resolutionMs = 20;
let delay: ReturnType<typeof monitorEventLoopDelay> | undefined;

export function processFigures(): ProcessFigures {
  if (delay === undefined) {
    delay = monitorEventLoopDelay({ resolution: resolutionMs });
    delay.enable();
  }
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const late = (ns: number): number => Math.max(0, ns / nsPerSecond - resolutionMs / msPerSecond);
  const isEmpty = delay.count === 0;
  const loopDelaySeconds = isEmpty
    ? { p50: 0, p99: 0, max: 0 }
    : { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) };
  delay.reset();
  return {
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    cpuSeconds: (user + system) / usPerSecond,
    uptimeSeconds: process.uptime(),
    loopDelaySeconds,
  };
}
