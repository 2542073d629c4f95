/** Delivery, and what keeps it from happening, as metrics. */
import type { Metric } from "./metric.ts";
import { one } from "./metric.ts";

const unauthenticated = 401;
const forbidden = 403;
/** Close codes of the same meaning. */
const closedUnauthenticated = 4401;
const closedForbidden = 4403;

export const deliveryMetrics: readonly Metric[] = [
  {
    name: "runcast_delivery_attempts_total",
    kind: "counter",
    help: "Events that connected devices were due, counted once for each device.",
    read: ({ runtime }) => one(runtime.delivery.attempts),
  },
  {
    name: "runcast_deliveries_total",
    kind: "counter",
    help: "Of those, events that were handed to a socket, or merged or filtered into what was.",
    read: ({ runtime }) => one(runtime.delivery.deliveries),
  },
  {
    name: "runcast_deliveries_acked_total",
    kind: "counter",
    help: "Of those, events that the device has acknowledged.",
    read: ({ runtime }) => one(runtime.delivery.acked),
  },
  {
    name: "runcast_commit_to_sent_seconds",
    kind: "histogram",
    help: "From a commit until every live connection of its user was handed it; what is resumed or read by a slow reader later is not counted.",
    read: ({ runtime }) => runtime.delivery.commitToSent.samples(),
  },
  {
    name: "runcast_sent_to_acked_seconds",
    kind: "histogram",
    help: "From the hand-over of a frame to the ack of the device; a sample of one frame at a time for each connection.",
    read: ({ runtime }) => runtime.delivery.sentToAcked.samples(),
  },
  {
    name: "runcast_connections_closed_total",
    kind: "counter",
    help: "Connections that the server has closed, by close code.",
    read: ({ runtime }) => [...runtime.endings].map(([code, value]) => ({ labels: { code: String(code) }, value })),
  },
  {
    name: "runcast_isolation_refusals_total",
    kind: "counter",
    help: "Who was kept from what is not theirs: without a valid credential, without the right, by asking for a foreign thing, or by a payload that names another user.",
    read: ({ runtime, gateway }) => {
      const answers = (status: number): number => gateway?.answers.get(status) ?? 0;
      const closes = (code: number): number => runtime.endings.get(code) ?? 0;
      return [
        { labels: { reason: "unauthenticated" }, value: answers(unauthenticated) + closes(closedUnauthenticated) },
        { labels: { reason: "forbidden" }, value: answers(forbidden) + closes(closedForbidden) },
        { labels: { reason: "foreign" }, value: runtime.foreignAsked },
        { labels: { reason: "contaminated" }, value: runtime.stats.contaminationRefused },
      ];
    },
  },
  {
    name: "runcast_queue_depth",
    kind: "gauge",
    help: "What waits to be done, by queue.",
    read: ({ runtime }) => Object.entries(runtime.queues).map(([queue, value]) => ({ labels: { queue }, value })),
  },
  {
    name: "runcast_ledger_difference",
    kind: "gauge",
    help: "Events that were accepted and are neither acknowledged nor stored nor dead-lettered, when the ledger was last recomputed.",
    read: ({ runtime }) => one(runtime.ledger.difference),
  },
  {
    name: "runcast_ledger_age_seconds",
    kind: "gauge",
    help: "Time since the ledger was last recomputed from the log.",
    read: ({ runtime }) => one(runtime.ledger.ageSeconds),
  },
  {
    name: "runcast_health",
    kind: "gauge",
    help: "1: green. 0.5: yellow, a warning holds or an alert waits to be told. 0: red, something critical holds.",
    read: ({ runtime }) => one({ green: 1, yellow: 0.5, red: 0 }[runtime.health]),
  },
  {
    name: "runcast_alerts",
    kind: "gauge",
    help: "Alerts that hold now, by severity.",
    read: ({ runtime }) =>
      (["critical", "warning"] as const).map((severity) => ({
        labels: { severity },
        value: runtime.alerts.filter((alert) => alert.severity === severity).length,
      })),
  },
];
