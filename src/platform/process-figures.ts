/** What this process costs: for `/metrics`. The delay histogram runs from the first call on. */
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
  const seconds = (ns: number): number => (Number.isFinite(ns) ? ns / nsPerSecond : 0);
  const isEmpty = delay.count === 0;
  const loopDelaySeconds = isEmpty
    ? { p50: 0, p99: 0, max: 0 }
    : { p50: seconds(delay.percentile(50)), p99: seconds(delay.percentile(99)), max: seconds(delay.max) };
  delay.reset();
  return {
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    cpuSeconds: (user + system) / usPerSecond,
    uptimeSeconds: process.uptime(),
    loopDelaySeconds,
  };
}
