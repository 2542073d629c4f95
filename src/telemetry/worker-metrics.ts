/** The workers of one `serve` as metrics: who answers, and how often one in its place has died. Alone there are none. */
import type { Metric } from "./metric.ts";

const labelsOf = (worker: number) => ({ worker: String(worker) });

export const workerMetrics: readonly Metric[] = [
  {
    name: "runcast_worker_up",
    kind: "gauge",
    help: "1 while the worker answers.",
    read: ({ workers = [] }) => workers.map(({ worker, isUp }) => ({ labels: labelsOf(worker), value: isUp ? 1 : 0 })),
  },
  {
    name: "runcast_worker_deaths_total",
    kind: "counter",
    help: "Workers that ended without having been told to.",
    read: ({ workers = [] }) => workers.map(({ worker, deaths }) => ({ labels: labelsOf(worker), value: deaths })),
  },
];
