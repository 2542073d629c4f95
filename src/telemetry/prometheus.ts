/** The runtime's counts as Prometheus text (exposition format 0.0.4): what `/metrics` answers. */
import type { ProcessFigures } from "../platform/process-figures.ts";
import type { RuntimeStats, SupervisorState } from "../runtime/runtime.ts";

interface Metric {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
}

/** Every figure of the runtime has a name here: a new one does not compile without. */
const runtimeMetrics: { readonly [Field in keyof RuntimeStats]: Metric } = {
  connections: { name: "runcast_connections", kind: "gauge", help: "Open connections, authenticated or not." },
  livingRuns: { name: "runcast_living_runs", kind: "gauge", help: "Runs that have not ended." },
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
  logReads: { name: "runcast_log_reads_total", kind: "counter", help: "Questions that the log was asked." },
  corruptEvents: {
    name: "runcast_log_corrupt_events_total",
    kind: "counter",
    help: "Events whose record failed its checksum: never delivered.",
  },
  logWalBytes: { name: "runcast_log_wal_bytes", kind: "gauge", help: "Size of the store's write-ahead log." },
};

const states: readonly SupervisorState[] = ["starting", "accepting", "draining", "stopped"];

export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

const head = ({ name, kind, help }: Metric): string => `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;

export interface Figures {
  readonly stats: RuntimeStats;
  readonly state: SupervisorState;
  readonly process: ProcessFigures;
  /** HTTP answers by status. */
  readonly answers: ReadonlyMap<number, number>;
  /** Sockets without a credential. */
  readonly pendingSockets: number;
}

/** One page of metrics. Seconds and bytes, as Prometheus wants them. */
export function prometheusText({ stats, state, process, answers, pendingSockets }: Figures): string {
  let text = "";
  const gauge = (name: string, help: string, value: number, kind: Metric["kind"] = "gauge"): void => {
    text += `${head({ name, kind, help })}${name} ${value}\n`;
  };
  for (const field of Object.keys(runtimeMetrics) as (keyof RuntimeStats)[]) {
    const { name, kind, help } = runtimeMetrics[field];
    gauge(name, help, stats[field], kind);
  }
  text += head({ name: "runcast_state", kind: "gauge", help: "1 for the state that the supervisor is in." });
  for (const each of states) text += `runcast_state{state="${each}"} ${each === state ? 1 : 0}\n`;
  text += head({
    name: "runcast_http_answers_total",
    kind: "counter",
    help: "HTTP answers, refused upgrades included.",
  });
  for (const [status, count] of answers) text += `runcast_http_answers_total{status="${status}"} ${count}\n`;
  gauge("runcast_pending_sockets", "Sockets that have not said who they are.", pendingSockets);

  gauge("process_resident_memory_bytes", "Resident memory.", process.residentBytes);
  gauge("nodejs_heap_used_bytes", "Heap in use.", process.heapUsedBytes);
  gauge("process_cpu_seconds_total", "User and system CPU time.", process.cpuSeconds, "counter");
  gauge("process_uptime_seconds", "Time since the start.", process.uptimeSeconds);
  const delay = process.loopDelaySeconds;
  text += head({
    name: "nodejs_eventloop_delay_seconds",
    kind: "gauge",
    help: "How late timers fire, since the last scrape.",
  });
  text += `nodejs_eventloop_delay_seconds{quantile="0.5"} ${delay.p50}\n`;
  text += `nodejs_eventloop_delay_seconds{quantile="0.99"} ${delay.p99}\n`;
  gauge("nodejs_eventloop_delay_max_seconds", "The latest that a timer fired, since the last scrape.", delay.max);
  return text;
}
