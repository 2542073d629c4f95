/** What the runtime counts and shows beside its plain numbers: the metrics and the alert rules are read off it. */
import type { BreakersAnswer } from "../../protocol/http.ts";
import type { Health } from "../telemetry/alert-board.ts";
import type { ToldAlert } from "../telemetry/alerts.ts";
import type { BreakerView } from "./breakers.ts";
import type { DeliveryFigures } from "./delivery-figures.ts";
import type { RuntimeStats, SupervisorState } from "./runtime.ts";

/** What became of critical events that no device acknowledged in time. */
export interface FallbackFigures {
  /** Events that somebody must learn of. */
  readonly criticalEvents: number;
  /** Of those, not acknowledged in time: they went up the ladder. */
  readonly escalated: number;
  /** Notices that a channel took, by its name. */
  readonly told: ReadonlyMap<string, number>;
  /** Calls of a channel that told nobody though the user has an address there, by its name. */
  readonly failed: ReadonlyMap<string, number>;
  /** Acknowledged before they were told. */
  readonly acked: number;
  /** Nobody knows whether they were told, and they are not told again. */
  readonly inDoubt: number;
  /** That wait for an ack or are being told, as far as they are known here. */
  readonly pending: number;
  /** That no channel took and that rest, at the last look. */
  readonly exhausted: number;
}

export const noFallback: FallbackFigures = {
  ...{ criticalEvents: 0, escalated: 0, told: new Map(), failed: new Map() },
  ...{ acked: 0, inDoubt: 0, pending: 0, exhausted: 0 },
};

export interface RuntimeFigures {
  readonly state: SupervisorState;
  readonly stats: RuntimeStats;
  /** Refusals of users and keys, by limit. */
  readonly refusals: ReadonlyMap<string, number>;
  readonly breakers: readonly BreakerView[];
  readonly connectionBreakers: BreakersAnswer["connections"];
  readonly delivery: DeliveryFigures;
  readonly fallback: FallbackFigures;
  /** Calls of the old names (`runcast/facade`), by name. */
  readonly facadeCalls: ReadonlyMap<string, number>;
  /** Connections that were closed from here, by close code. */
  readonly endings: ReadonlyMap<number, number>;
  /** Questions for things of somebody else, which were answered as if there were no such thing. */
  readonly foreignAsked: number;
  /** By queue: how much waits in it. */
  readonly queues: Readonly<Record<string, number>>;
  readonly ledger: { readonly difference: number | undefined; readonly ageSeconds: number | undefined };
  readonly alerts: readonly ToldAlert[];
  readonly health: Health;
}
