/** The old names as metrics: a migration is over when this stands still. */
import type { Metric } from "./metric.ts";

export const facadeMetrics: readonly Metric[] = [
  {
    name: "runcast_facade_calls_total",
    kind: "counter",
    help: "Calls of deprecated names.",
    read: ({ runtime }) => [...runtime.facadeCalls].map(([name, value]) => ({ labels: { name }, value })),
  },
];
