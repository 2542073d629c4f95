/**
 * Looks after the runtime for its operator: gathers the figures, watches the alert rules over them, and holds the alerts.
 * `make-runtime` makes one, and whoever notices something raises it here.
 */
import * as Effect from "effect/Effect";
import type { AlertsAnswer } from "../../protocol/http.ts";
import type { PublisherPrincipal } from "../auth/principal.ts";
import type { ExpectedError } from "../errors.ts";
import { Forbidden } from "../errors.ts";
import type { LoopDelay } from "../platform/process-figures.ts";
import { AlertBoard } from "../telemetry/alert-board.ts";
import { AlertCarrier } from "../telemetry/alert-carrier.ts";
import { AlertKeep } from "../telemetry/alert-keep.ts";
import { AlertWatch } from "../telemetry/alert-watch.ts";
import type { AlertSink, Alerts } from "../telemetry/alerts.ts";
import { SharedAlerts } from "../telemetry/shared-alerts.ts";
import type { Breakers } from "./breakers.ts";
import type { Deadlines } from "./deadlines.ts";
import type { FacadeCalls } from "./facade-calls.ts";
import { isForeign, requireRight } from "./gate.ts";
import type { RuntimeLog } from "./guarded-log.ts";
import type { Hubs } from "./hub.ts";
import { LedgerWatch } from "./ledger-watch.ts";
import { OpenCalls } from "./open-calls.ts";
import type { GivenSettings } from "./options.ts";
import type { RunDesk } from "./run-desk.ts";
import type { RuntimeStats } from "./runtime.ts";
import type { FallbackFigures, RuntimeFigures } from "./runtime-figures.ts";
import { noFallback } from "./runtime-figures.ts";
import type { Supervisor } from "./supervisor.ts";

/** One entry on the deadline wheel, whatever there is to watch. */
const lookMs = 5_000;

export interface LookoutTerms {
  readonly given: GivenSettings;
  readonly log: RuntimeLog;
  readonly deadlines: Deadlines;
  readonly breakers: Breakers;
  readonly hubs: Hubs;
  readonly supervisor: Supervisor;
  // What is made after it. Asked once the doors are open.
  readonly stats: () => RuntimeStats;
  readonly runs: () => Iterable<RunDesk>;
  readonly endings: () => ReadonlyMap<number, number>;
  /** Undefined: there is no channel to tell anybody by. */
  readonly fallback: () => FallbackFigures | undefined;
  readonly connectionBreakers: () => RuntimeFigures["connectionBreakers"];
  /** Whether an operator lets alerts be sent. The journal has them in any case. */
  readonly isAlertOn: () => boolean;
  readonly refusals: () => RuntimeFigures["refusals"];
  readonly facadeCalls: FacadeCalls;
}

export class Lookout {
  readonly alerts: Alerts;
  private foreignAsked = 0;
  private readonly terms: LookoutTerms;
  private readonly board: AlertBoard;
  private readonly watch: AlertWatch;
  private readonly ledger: LedgerWatch;
  private readonly openCalls: OpenCalls;
  /** Where other nodes share the log. */
  private readonly shared: SharedAlerts | undefined;

  constructor(terms: LookoutTerms) {
    this.terms = terms;
    const { given, log, deadlines, breakers, runs } = terms;
    const { clock, journal, alertSinks, alertPlace } = given;
    const gated = (sink: AlertSink): AlertSink => ({
      name: sink.name,
      send: async (...told) => (terms.isAlertOn() ? sink.send(...told) : undefined),
    });
    const carrierOf = (sink: (typeof alertSinks)[number]): AlertCarrier =>
      new AlertCarrier({ sink: gated(sink), breaker: breakers.of("system-alert"), deadlines, journal });
    const carriers = alertSinks.map(carrierOf);
    if (log.isShared)
      this.shared = new SharedAlerts({
        ...{ log, clock, deadlines, journal },
        carry: (told) => {
          for (const carrier of carriers) carrier.carry([told]);
        },
        isWaiting: (told) => carriers.some((carrier) => carrier.waiting().includes(told)),
      });
    this.board = new AlertBoard({
      clock,
      deadlines,
      journal,
      carriers,
      // What the nodes share is kept where they share it.
      keep: this.shared === undefined && alertPlace ? new AlertKeep(alertPlace, journal) : undefined,
      shared: this.shared,
      also: given.alerts,
    });
    this.alerts = this.board;
    this.ledger = new LedgerWatch({ log, clock, deadlines });
    this.openCalls = new OpenCalls({ runs, clock });
    const figures = () => ({ runtime: this.figures(), loopDelay: this.loopDelay() });
    this.watch = new AlertWatch({ alerts: this.board, clock, figures });
  }

  /** Begins to watch; until the wheel stops. */
  start(): void {
    this.ledger.start();
    this.shared?.start();
    this.lookLater();
  }

  private lookLater(): void {
    this.terms.deadlines.after(lookMs, () => {
      // First: a look that throws must not be the last.
      this.lookLater();
      this.openCalls.look();
      this.watch.look();
    });
  }

  /** What nobody has taken is kept. Never rejects. */
  close(): Promise<void> {
    return this.board.close();
  }

  overdueCalls(): number {
    return this.openCalls.overdueCount();
  }

  figures(): RuntimeFigures {
    const { board, ledger, foreignAsked } = this;
    const { supervisor, hubs, breakers, log, stats, endings, connectionBreakers, refusals } = this.terms;
    const { difference, ageSeconds } = ledger;
    const { logWrites, spoolEvents } = log.health();
    const fallback = this.terms.fallback() ?? noFallback;
    const untold = Object.values(board.waiting()).reduce((sum, { length }) => sum + length, 0);
    return {
      state: supervisor.state,
      refusals: refusals(),
      stats: stats(),
      breakers: breakers.views(),
      // Walks all connections: for who reads it alone.
      get connectionBreakers() {
        return connectionBreakers();
      },
      delivery: hubs.figures,
      fallback,
      facadeCalls: this.terms.facadeCalls.byName,
      endings: endings(),
      foreignAsked,
      queues: { log: logWrites, spool: spoolEvents, escalations: fallback.pending, alerts: untold },
      ledger: { difference, ageSeconds },
      alerts: board.active(),
      health: board.health,
    };
  }

  /** An answer to a caller; one that hides what is there is counted. */
  counted<Value>(answer: Effect.Effect<Value, ExpectedError>): Effect.Effect<Value, ExpectedError> {
    const count = (cause: ExpectedError): Effect.Effect<void> =>
      Effect.sync(() => {
        if (isForeign(cause)) this.foreignAsked += 1;
      });
    return Effect.tapError(answer, count);
  }

  /** Alerts speak of the whole server: for keys of every tenant. Fails: throws `Forbidden`. */
  answer(caller: PublisherPrincipal): AlertsAnswer {
    requireRight(caller, "admin");
    if (caller.tenants !== "*")
      throw new Forbidden({ message: "alerts are about the whole server, and this key is bound to tenants" });
    return { health: this.board.health, alerts: this.board.active(), waiting: this.board.waiting() };
  }

  private loopDelay(): LoopDelay | undefined {
    return this.terms.given.loopDelay?.();
  }
}
