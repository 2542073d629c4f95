/**
 * When an operator must know: the alert rules as data, over the metrics of `metrics`. `alert-watch` evaluates them in
 * the process, `scripts/alert-rules.ts` writes the same table as a Prometheus rule file.
 */
import type { Severity } from "./alerts.ts";
import type { Labels } from "./metric.ts";

/** Of a metric: its value now, or by how much a counter has grown within the window. */
export type Term =
  | { readonly now: string; readonly where?: Labels | undefined }
  | { readonly growth: string; readonly where?: Labels | undefined };

/** A term, or how large a share one is of another; no share of nothing. */
export type Expression = Term | { readonly share: Term; readonly of: Term };

export interface AlertRule {
  readonly name: string;
  readonly severity: Severity;
  readonly expression: Expression;
  readonly is: ">" | "<" | "!=";
  readonly than: number;
  /** How long it must hold before anybody is told. */
  readonly forMs: number;
  /** How long it must not hold before it counts as over: what flaps is told once. */
  readonly keepMs: number;
  /** For the operator. `{value}` is what was found, `{label}` one of its labels. */
  readonly summary: string;
  /** Whoever notices it raises it at once, with labels of its own: the watch leaves it to them. */
  readonly isRaisedAtOnce?: true;
  /** How the value is read: a share in percent, a number as it is. */
  readonly shows: "percent" | "number";
}

/** What "lately" means in every rule. */
export const windowMs = 300_000;
const minuteMs = 60_000;
/** PRODUCT §4. */
const leastDelivery = 0.95;
const mostFallback = 0.05;
/** Pings are due every few seconds and leases last some more: beyond it people feel it. */
const mostLoopDelaySeconds = 0.1;

export const alertRules: readonly AlertRule[] = [
  {
    name: "DeliveryBelow95",
    severity: "critical",
    expression: { share: { growth: "runcast_deliveries_total" }, of: { growth: "runcast_delivery_attempts_total" } },
    is: "<",
    than: leastDelivery,
    forMs: minuteMs,
    keepMs: minuteMs,
    summary: "of the events that connected devices were due within 5 minutes, {value} were handed over",
    shows: "percent",
  },
  {
    name: "FallbackAbove5",
    severity: "warning",
    expression: {
      share: { growth: "runcast_critical_events_escalated_total" },
      of: { growth: "runcast_critical_events_total" },
    },
    is: ">",
    than: mostFallback,
    forMs: 0,
    keepMs: minuteMs,
    summary: "of the critical events within 5 minutes, {value} were not acknowledged in time and went another way",
    shows: "percent",
  },
  {
    name: "BreakerOpen",
    severity: "critical",
    // A breaker that tries again every 30 s and fails is never open for a minute: what counts is that it does not close.
    expression: { now: "runcast_breaker_state", where: { state: "closed" } },
    is: "<",
    than: 1,
    forMs: minuteMs,
    keepMs: 0,
    summary:
      "the breaker {breaker} has not been closed for longer than a minute: what stands behind it does not answer",
    shows: "number",
  },
  {
    name: "RunStalled",
    severity: "warning",
    expression: { now: "runcast_stalled_runs" },
    is: ">",
    than: 0,
    forMs: 0,
    keepMs: minuteMs,
    summary: "runs whose runner has gone silent: {value}",
    shows: "number",
  },
  {
    name: "ToolOpenTooLong",
    severity: "warning",
    expression: { now: "runcast_overdue_tool_calls" },
    is: ">",
    than: 0,
    forMs: 0,
    keepMs: 0,
    summary: "tool calls that are open for longer than 60 seconds: {value}",
    shows: "number",
  },
  {
    name: "ContaminationRefused",
    severity: "critical",
    expression: { growth: "runcast_contamination_refused_total" },
    is: ">",
    than: 0,
    forMs: 0,
    keepMs: 0,
    // By runtime/contamination-watch, for the tenant.
    isRaisedAtOnce: true,
    summary: "events that name another user than their owner were refused within 5 minutes: {value}",
    shows: "number",
  },
  {
    name: "LedgerDifference",
    severity: "critical",
    expression: { now: "runcast_ledger_difference" },
    is: "!=",
    than: 0,
    forMs: 0,
    keepMs: 0,
    summary: "events that were accepted and are neither acknowledged nor stored nor dead-lettered: {value}",
    shows: "number",
  },
  {
    name: "LogDown",
    severity: "critical",
    expression: { now: "runcast_log_up" },
    is: "<",
    than: 1,
    forMs: 0,
    keepMs: 0,
    summary: "the log takes no writes",
    shows: "number",
  },
  {
    name: "LoopDelay",
    severity: "warning",
    expression: { now: "nodejs_eventloop_delay_seconds", where: { quantile: "0.99" } },
    is: ">",
    than: mostLoopDelaySeconds,
    forMs: minuteMs,
    keepMs: minuteMs,
    summary: "the event loop is late by {value} seconds (p99): the process has more to do than it can",
    shows: "number",
  },
];
