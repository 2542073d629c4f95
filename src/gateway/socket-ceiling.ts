/**
 * The most sockets that the server takes: below what the system lets the process open, so that the log, a webhook, an
 * SMTP server can still be reached when strangers have taken the rest. A socket above it is closed at once, counted, and
 * the operator is alerted; who is connected notices nothing.
 */
import type { Server } from "node:net";
import type { Clock } from "../platform/clock.ts";
import { sparePlaces } from "../platform/open-files.ts";
import type { Alerts } from "../telemetry/alerts.ts";
import type { Journal } from "../telemetry/journal.ts";

/** Kept back for files and for what we call ourselves: a tenth of the limit, within these. */
const reserveShare = 1 / 10;
const minReserve = 16;
const maxReserve = 256;
/** So long after the last one that was dropped the alert ends. */
const calmMs = 60_000;
const alertName = "SocketsExhausted";

export interface SocketCeilingTerms {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly alerts: Alerts;
}

export class SocketCeiling {
  /** Sockets that were closed unheard. */
  dropped = 0;
  private readonly terms: SocketCeilingTerms;
  private cancelCalm: (() => void) | undefined;

  constructor(terms: SocketCeilingTerms) {
    this.terms = terms;
  }

  /** Holds a server below the ceiling, as things stand now: call it when the files are open that stay open. */
  hold(server: Server): void {
    const places = sparePlaces();
    if (places === undefined) return;
    const reserve = Math.min(maxReserve, Math.max(minReserve, Math.ceil(places.limit * reserveShare)));
    server.maxConnections = Math.max(1, places.spare - reserve);
    // Among workers that are all full, a socket that each hands back would go round for ever.
    Object.assign(server, { dropMaxConnection: true });
    server.on("drop", () => this.note(server.maxConnections));
  }

  private note(maxConnections: number): void {
    const { clock, journal, alerts } = this.terms;
    this.dropped += 1;
    if (this.cancelCalm === undefined) {
      journal.write("error", "sockets.exhausted", { maxConnections });
      const summary = `all ${maxConnections} sockets are taken: new ones are closed; raise the limit of open files (ulimit -n)`;
      alerts.raise({ name: alertName, severity: "critical", summary });
    }
    this.cancelCalm?.();
    this.cancelCalm = clock.after(calmMs, () => {
      this.cancelCalm = undefined;
      alerts.resolve(alertName);
    });
  }
}
