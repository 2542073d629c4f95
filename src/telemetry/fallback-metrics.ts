/** The fallback ladder as metrics. */
import type { Metric, Sample } from "./metric.ts";
import { one } from "./metric.ts";

const byChannel = (counts: ReadonlyMap<string, number>): readonly Sample[] =>
  [...counts].map(([channel, value]) => ({ labels: { channel }, value }));

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
    read: ({ runtime }) => byChannel(runtime.fallback.told),
  },
  {
    name: "runcast_notices_failed_total",
    kind: "counter",
    help: "Calls of a channel that told nobody though the user has an address there.",
    read: ({ runtime }) => byChannel(runtime.fallback.failed),
  },
  {
    name: "runcast_notices_in_doubt_total",
    kind: "counter",
    help: "Notices of which nobody knows whether they were told; they are not told again.",
    read: ({ runtime }) => one(runtime.fallback.inDoubt),
  },
  {
    name: "runcast_escalations_acked_total",
    kind: "counter",
    help: "Critical events that a device acknowledged before their notice was told.",
    read: ({ runtime }) => one(runtime.fallback.acked),
  },
  {
    name: "runcast_escalations_pending",
    kind: "gauge",
    help: "Critical events that wait for an ack, or are being told.",
    read: ({ runtime }) => one(runtime.fallback.pending),
  },
  {
    name: "runcast_escalations_exhausted",
    kind: "gauge",
    help: "Critical events that no channel took, and that rest until they are tried again.",
    read: ({ runtime }) => one(runtime.fallback.exhausted),
  },
];
