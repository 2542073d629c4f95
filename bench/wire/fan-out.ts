/** W1 and W2: deliveries per second, CPU of the server, and publish → client at half of the own maximum. */
import type { Kind } from "./load.ts";
import { openLoad } from "./load.ts";
import { startServer } from "./server-process.ts";
import { eventsPerRun, userNames } from "./workload.ts";

export interface FanOut {
  readonly users: number;
  readonly connectionsPerUser: number;
  readonly runsPerUser: number;
  readonly window: number;
}

export interface FanOutFigures {
  readonly deliveriesPerSecond: number;
  /** Of the server, all its threads, per 100,000 deliveries. */
  readonly cpuSeconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const perDeliveries = 100_000;
const warmupRuns = 20;
/** How long the paced part lasts. */
const pacedSeconds = 2;

export const percentile = (values: number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
};

export async function measureFanOut(kind: Kind, work: FanOut): Promise<FanOutFigures> {
  const { users, connectionsPerUser, runsPerUser, window } = work;
  const server = await startServer(kind);
  const names = userNames(users);
  const load = await openLoad(kind, [server], names, connectionsPerUser);
  const publish = async (runs: number, everyMs: number) => {
    load.reset();
    const published = server.control.hear("published");
    const all = load.until(users * runs * eventsPerRun * connectionsPerUser);
    const startMs = performance.now();
    server.control.order({ do: "publish", work: { users: names, runsPerUser: runs, window, everyMs } });
    const [{ cpuSeconds }] = await Promise.all([published, all]);
    return { seconds: (performance.now() - startMs) / 1_000, cpuSeconds, deliveries: load.received };
  };
  try {
    await publish(Math.min(warmupRuns, runsPerUser), 0);
    const full = await publish(runsPerUser, 0);
    const deliveriesPerSecond = full.deliveries / full.seconds;
    const perRun = users * eventsPerRun * connectionsPerUser;
    const everyMs = (1_000 * perRun) / (deliveriesPerSecond / 2);
    await publish(Math.max(2, Math.round((pacedSeconds * 1_000) / everyMs)), everyMs);
    return {
      deliveriesPerSecond,
      cpuSeconds: (full.cpuSeconds * perDeliveries) / full.deliveries,
      p50Ms: percentile(load.latenciesMs, 0.5),
      p99Ms: percentile(load.latenciesMs, 0.99),
    };
  } finally {
    load.close();
    await server.stop();
  }
}
