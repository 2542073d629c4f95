/**
 * What this process costs: for `/metrics`, and for the alert on its event loop. A delay is watched from the first call on. Node counts the whole time
 * between two beats of its timer in; what was waited for on purpose is taken off here.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";

/** How late timers fire. Units: seconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface ProcessFigures {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly cpuSeconds: number;
  readonly uptimeSeconds: number;
  /** How late timers fire, since the last call. */
  readonly loopDelaySeconds: LoopDelay;
}

const nsPerSecond = 1e9;
const msPerSecond = 1e3;
const usPerSecond = 1e6;
const resolutionMs = 20;

/** A watch on the event loop of its own: each answer is about the time since its last one. */
export function loopDelayWatch(): { readonly read: () => LoopDelay; readonly stop: () => void } {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const late = (ns: number): number => Math.max(0, ns / nsPerSecond - resolutionMs / msPerSecond);
  const read = (): LoopDelay => {
    const isEmpty = delay.count === 0;
    const found = isEmpty
      ? { p50: 0, p99: 0, max: 0 }
      : { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) };
    delay.reset();
    return found;
  };
  return { read, stop: () => void delay.disable() };
}

let loopDelay: ReturnType<typeof loopDelayWatch> | undefined;

export function processFigures(): ProcessFigures {
  loopDelay ??= loopDelayWatch();
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    cpuSeconds: (user + system) / usPerSecond,
    uptimeSeconds: process.uptime(),
    loopDelaySeconds: loopDelay.read(),
  };
}
