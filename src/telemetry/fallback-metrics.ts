/** The fallback ladder as metrics. */
import type { Metric } from "./metric.ts";
import { one } from "./metric.ts";

export const fallbackMetrics: readonly Metric[] = [
  {
    name: "runcast_critical_events_total",
    kind: "counter",
    help: "Events that somebody must learn of: terminals, approvals, authentication.",
    read: ({ runtime }) => one(runtime.fallback.criticalEvents),
  },
  {
    name: "runcast_critical_events_escalated_total",
    kind: "counter",
    help: "Of those, events that no device acknowledged in time.",
    read: ({ runtime }) => one(runtime.fallback.escalated),
  },
  {
    name: "runcast_notices_told_total",
    kind: "counter",
    help: "Notices that a fallback channel took.",
    read: ({ runtime }) => [...runtime.fallback.told].map(([channel, value]) => ({ labels: { channel }, value })),
  },
];
