/** The runtime's plain numbers as metrics: a new one does not compile without a name and a meaning here. */
import type { RuntimeStats } from "../runtime/runtime.ts";
import type { Metric } from "./metric.ts";
import { one } from "./metric.ts";

type Named = Omit<Metric, "read">;

const named: { readonly [Field in keyof RuntimeStats]: Named } = {
  connections: { name: "runcast_connections", kind: "gauge", help: "Open connections, authenticated or not." },
  livingRuns: { name: "runcast_living_runs", kind: "gauge", help: "Runs that have not ended." },
  stalledRuns: { name: "runcast_stalled_runs", kind: "gauge", help: "Runs whose runner has gone silent." },
  overdueToolCalls: {
    name: "runcast_overdue_tool_calls",
    kind: "gauge",
    help: "Tool calls that are open for longer than 60 seconds.",
  },
  streams: { name: "runcast_followed_streams", kind: "gauge", help: "Users with at least one connection." },
  eventsAccepted: { name: "runcast_events_accepted_total", kind: "counter", help: "Events written to the log." },
  eventsRefused: { name: "runcast_events_refused_total", kind: "counter", help: "Events refused at the door." },
  contaminationRefused: {
    name: "runcast_contamination_refused_total",
    kind: "counter",
    help: "Events refused because they name another user.",
  },
  framesSent: { name: "runcast_frames_sent_total", kind: "counter", help: "Frames that a socket took." },
  eventsSent: { name: "runcast_events_sent_total", kind: "counter", help: "Events in those frames." },
  acksReceived: { name: "runcast_acks_received_total", kind: "counter", help: "Acks of devices." },
  runsInterrupted: {
    name: "runcast_runs_interrupted_total",
    kind: "counter",
    help: "Runs that the supervisor ended because their runner was gone.",
  },
  eventsRetired: {
    name: "runcast_events_retired_total",
    kind: "counter",
    help: "Events that retention has removed.",
  },
  eventsDeadLettered: {
    name: "runcast_events_dead_lettered_total",
    kind: "counter",
    help: "Of those, events that no device had acknowledged.",
  },
  deltasMerged: {
    name: "runcast_deltas_merged_total",
    kind: "counter",
    help: "Deltas of ended runs that became part of a later one.",
  },
  logUp: { name: "runcast_log_up", kind: "gauge", help: "1 while the log takes writes." },
  logFailures: { name: "runcast_log_failures_total", kind: "counter", help: "Writes that the log did not take." },
  logWrites: { name: "runcast_log_writes", kind: "gauge", help: "Writes that the log has not answered yet." },
  logReads: { name: "runcast_log_reads_total", kind: "counter", help: "Questions that the log was asked." },
  corruptEvents: {
    name: "runcast_log_corrupt_events_total",
    kind: "counter",
    help: "Events whose record failed its checksum: never delivered.",
  },
  spoolEvents: { name: "runcast_spool_events", kind: "gauge", help: "Events that wait for the log." },
  spoolBytes: { name: "runcast_spool_bytes", kind: "gauge", help: "Memory that they take." },
  eventsDrained: {
    name: "runcast_spool_drained_total",
    kind: "counter",
    help: "Events that waited for the log and are in it.",
  },
  eventsDirect: {
    name: "runcast_events_direct_total",
    kind: "counter",
    help: "Events that were delivered while neither the log nor the spool took them.",
  },
  spoolConflicts: {
    name: "runcast_spool_conflicts_total",
    kind: "counter",
    help: "Appends that waited, and that the log did not take as they were promised.",
  },
  logWalBytes: { name: "runcast_log_wal_bytes", kind: "gauge", help: "Size of the store's write-ahead log." },
};

export const runtimeMetrics: readonly Metric[] = (Object.keys(named) as (keyof RuntimeStats)[]).map((field) => ({
  ...named[field],
  read: ({ runtime }) => one(runtime.stats[field]),
}));
