/** CPU time of a process and of those that it has started, as the kernel counts it. */
import { readdirSync, readFileSync } from "node:fs";

/** What `getconf CLK_TCK` says on every Linux. */
const ticksPerSecond = 100;
/** After the name in parentheses: state is the first, the parent's pid the second; see proc(5). */
const parentAt = 1;
const ownTimesAt = [11, 12] as const;
const endedChildrenAt = [13, 14] as const;

function statOf(pid: number | string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    // It has ended in between.
    return undefined;
  }
}

const ticks = (stat: readonly string[], places: readonly number[]): number =>
  places.reduce((sum, place) => sum + Number(stat[place]), 0);

/** Units: seconds. */
export function cpuSecondsOf(pid: number): number {
  const own = statOf(pid);
  if (own === undefined) return Number.NaN;
  let sum = ticks(own, ownTimesAt) + ticks(own, endedChildrenAt);
  for (const entry of readdirSync("/proc")) {
    const stat = /^\d+$/.test(entry) ? statOf(entry) : undefined;
    if (stat !== undefined && Number(stat[parentAt]) === pid) sum += ticks(stat, ownTimesAt);
  }
  return sum / ticksPerSecond;
}
