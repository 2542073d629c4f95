/** The process and its doors as metrics. */
import type { Metric } from "./metric.ts";
import { one } from "./metric.ts";

export const processMetrics: readonly Metric[] = [
  {
    name: "runcast_http_answers_total",
    kind: "counter",
    help: "HTTP answers, refused upgrades included.",
    read: ({ gateway }) =>
      [...(gateway?.answers ?? [])].map(([status, value]) => ({ labels: { status: String(status) }, value })),
  },
  {
    name: "runcast_pending_sockets",
    kind: "gauge",
    help: "Sockets that have not said who they are.",
    read: ({ gateway }) => one(gateway?.pendingSockets),
  },
  {
    name: "runcast_limit_refusals_total",
    kind: "counter",
    help: "What was refused because it was above a limit, by limit.",
    read: ({ runtime, gateway }) =>
      [...runtime.refusals, ...(gateway?.refusals ?? [])].map(([limit, value]) => ({ labels: { limit }, value })),
  },
  {
    name: "runcast_sockets_dropped_total",
    kind: "counter",
    help: "Sockets closed unheard because all places were taken.",
    read: ({ gateway }) => one(gateway?.droppedSockets),
  },
  {
    name: "process_resident_memory_bytes",
    kind: "gauge",
    help: "Resident memory.",
    read: ({ process }) => one(process?.residentBytes),
  },
  {
    name: "nodejs_heap_used_bytes",
    kind: "gauge",
    help: "Heap in use.",
    read: ({ process }) => one(process?.heapUsedBytes),
  },
  {
    name: "process_cpu_seconds_total",
    kind: "counter",
    help: "User and system CPU time.",
    read: ({ process }) => one(process?.cpuSeconds),
  },
  {
    name: "process_uptime_seconds",
    kind: "gauge",
    help: "Time since the start.",
    read: ({ process }) => one(process?.uptimeSeconds),
  },
  {
    name: "nodejs_eventloop_delay_seconds",
    kind: "gauge",
    help: "How late timers fire, since the last scrape.",
    read: ({ process, loopDelay = process?.loopDelaySeconds }) => {
      if (loopDelay === undefined) return [];
      const { p50, p99 } = loopDelay;
      return [
        { labels: { quantile: "0.5" }, value: p50 },
        { labels: { quantile: "0.99" }, value: p99 },
      ];
    },
  },
  {
    name: "nodejs_eventloop_delay_max_seconds",
    kind: "gauge",
    help: "The latest that a timer fired, since the last scrape.",
    read: ({ process, loopDelay = process?.loopDelaySeconds }) => one(loopDelay?.max),
  },
];
