/** What `make-runtime` puts together: the parts that the embedding API, the gateway and the tests hold. */
import type { EventLog, RunRecord } from "../log/event-log.ts";
import type { Alerts } from "../telemetry/alerts.ts";
import type { Breakers } from "./breakers.ts";
import type { FacadeCalls } from "./facade-calls.ts";
import type { Flags } from "./flags.ts";
import type { Runs } from "./runs.ts";
import type { RuntimeService } from "./runtime.ts";
import type { Supervisor } from "./supervisor.ts";

export interface RuntimeParts {
  readonly service: RuntimeService;
  readonly runs: Runs;
  readonly supervisor: Supervisor;
  readonly breakers: Breakers;
  readonly facadeCalls: FacadeCalls;
  readonly flags: Flags;
  /** Reads what must be known before the doors open. Call it before `start`; it never rejects. */
  readonly prepare: () => Promise<void>;
  /** Where whoever notices something raises it. */
  readonly alerts: Alerts;
  /** As every part of it reads and writes it. */
  readonly log: EventLog;
  /** Before `start`: takes up what a former process has left in the spool. Fails: `LogUnavailable`. */
  readonly recover: () => Promise<void>;
  /**
   * Opens the doors. The store's unfinished runs are looked through behind them: `onOrphan` hears of each that was left
   * behind; the answer resolves after the last and never rejects.
   */
  readonly start: (onOrphan?: (record: RunRecord) => void) => Promise<void>;
}
