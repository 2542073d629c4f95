/**
 * `runcast serve --workers N`: one process that holds the port and the audit log, and N that do the work, each a whole
 * node on the shared store. It takes signals for all of them and says in one voice what one process would.
 */
import cluster from "node:cluster";
import { isatty } from "node:tty";
import * as Effect from "effect/Effect";
import type { AuditLog } from "../../auth/audit-log.ts";
import type { Config } from "../../config.ts";
import { freePort } from "../../gateway/free-port.ts";
import { systemClock } from "../../platform/clock.ts";
import type { Journal } from "../../telemetry/journal.ts";
import type { Collected } from "../../telemetry/prometheus.ts";
import { settled } from "../identity.ts";
import { auditDesk, CarriedAlerts } from "./audit-desk.ts";
import { Crew } from "./crew.ts";
import type { Hand } from "./hand.ts";
import { clusterHand } from "./hand.ts";
import type { ToPrimary } from "./messages.ts";
import { Questions } from "./questions.ts";

export interface PrimaryTerms {
  readonly config: Config;
  readonly journal: Journal;
  /** Resolves when the whole is to end. */
  readonly stop: Promise<void>;
  /** All workers take connections. */
  readonly onListening: (url: string) => Promise<void>;
}

/** A terminal that is closed says SIGHUP too, and means the end. */
const rollSignals = isatty(0) ? (["SIGUSR2"] as const) : (["SIGHUP", "SIGUSR2"] as const);
/** A worker that is too busy to say what it counts is left out. */
const figuresLimitMs = 1_000;
/** The process lives as long as its crew, also while nobody of it does. */
const holdMs = 2 ** 30;

class Primary {
  readonly crew: Crew;
  private readonly alerts: CarriedAlerts;
  private readonly audit: AuditLog | undefined;
  private readonly figures = new Questions<Collected>(systemClock, figuresLimitMs);

  constructor({ config, journal }: PrimaryTerms, port: number, audit: AuditLog | undefined, alerts: CarriedAlerts) {
    this.audit = audit;
    this.alerts = alerts;
    const hire = (worker: number): Hand => {
      const begin = { kind: "begin", worker, port, hasAudit: audit !== undefined } as const;
      const hand = clusterHand(cluster.fork(), begin, (message, from) => this.hear(message, from));
      const carry = (): void => alerts.carriedBy(this.crew.members.find((member) => member.hand)?.hand);
      void hand.ready.then(carry);
      void hand.ended.then(carry);
      return hand;
    };
    this.crew = new Crew({ size: config.workers, clock: systemClock, journal, hire });
  }

  private hear(message: ToPrimary, hand: Hand): void {
    if (message.kind === "audit") this.audit?.record(message.entry);
    else if (message.kind === "figures") this.figures.answer(message.id, message.samples);
    else if (message.kind === "ask.audit") void this.showAudit(message, hand);
    else if (message.kind === "ask.colleagues") void this.showColleagues(message.id, hand);
  }

  private async showAudit({ id, after, limit }: ToPrimary & { kind: "ask.audit" }, hand: Hand): Promise<void> {
    const page = await this.audit?.read?.({ after, limit, sees: () => true }).catch(() => undefined);
    hand.tell({ kind: "audit.page", id, page });
  }

  private async showColleagues(id: number, asker: Hand): Promise<void> {
    const { members } = this.crew;
    const me = members.find(({ hand }) => hand === asker);
    const asked = members
      .filter((member) => member !== me)
      .map(async ({ worker, deaths, hand }) => ({
        worker,
        deaths,
        samples: hand && (await this.figures.ask((question) => hand.tell({ kind: "ask.figures", id: question }))),
      }));
    const others = await Promise.all(asked);
    // One that is being replaced has no place any more, and speaks for itself alone.
    const colleagues = me && { worker: me.worker, deaths: me.deaths, others };
    asker.tell({ kind: "colleagues", id, colleagues });
  }
}

/** Runs the workers until it is told to stop; the answer is the exit code. */
export async function lead(terms: PrimaryTerms): Promise<number> {
  const { config, journal, stop, onListening } = terms;
  const hold = setInterval(() => {}, holdMs);
  const alerts = new CarriedAlerts();
  const life = Effect.gen(function* () {
    const audit = yield* auditDesk(config, alerts);
    const port = config.port === 0 ? yield* Effect.promise(() => freePort(config.host)) : config.port;
    return yield* Effect.promise(() => work(new Primary(terms, port, audit, alerts)));
  });
  const work = async ({ crew }: Primary): Promise<number> => {
    for (const signal of rollSignals) process.on(signal, () => void crew.roll());
    const url = await Promise.race([crew.start(), stop.then(() => "")]);
    // Its own words on stderr say why.
    if (url === undefined) return 1;
    if (url !== "") {
      journal.write("info", "workers.ready", { workers: config.workers });
      await onListening(url);
      await stop;
    }
    return (await crew.stop()) ? 0 : 1;
  };
  try {
    return await settled(Effect.scoped(life));
  } finally {
    clearInterval(hold);
  }
}
