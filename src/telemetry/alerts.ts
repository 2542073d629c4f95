/**
 * What an operator must know now: PORT. Whoever notices something raises an alert; rung 6 of the ladder carries it out
 * (`fallback/system-alert`) and the journal has it in any case.
 */
export type Severity = "critical" | "warning";

export interface Alert {
  /** Stable: one name, one condition. `ContaminationRefused`, `BreakerOpen`… */
  readonly name: string;
  readonly severity: Severity;
  /** One sentence for the operator: what, how much, since when. No payload, no token. */
  readonly summary: string;
  /** What tells two alerts of one name apart, e.g. the breaker. Low cardinality. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export interface Alerts {
  /** Begins to hold, or holds still: told once until it is resolved. Never throws, never waits. */
  raise(alert: Alert): void;
  /** Does not hold any more. */
  resolve(name: string, labels?: Readonly<Record<string, string>>): void;
}

/** An alert as the operator is told of it. */
export interface ToldAlert extends Alert {
  readonly state: "firing" | "resolved";
  /** ISO 8601 UTC. */
  readonly startedAt: string;
  /** ISO 8601 UTC; of a resolved one. */
  readonly endedAt?: string | undefined;
}

/** Carries alerts to the operator. Rejects when the other side did not take them: they come again. */
export interface AlertSink {
  /** Stable over restarts, as in `slack`: what it has not taken waits under it. */
  readonly name: string;
  send(alerts: readonly ToldAlert[], signal: AbortSignal): Promise<void>;
}

export const silentAlerts: Alerts = { raise: () => {}, resolve: () => {} };
