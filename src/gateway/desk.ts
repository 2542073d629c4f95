/** What every handler of the gateway needs: the runtime, who may come in, and the house rules. One per gateway. */
import type { BlockList } from "node:net";
import type { TiersConfig } from "../../protocol/tiers.ts";
import type { ApiKeys } from "../auth/api-key.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import type { DevUser } from "../auth/dev-mode.ts";
import type { TicketStore } from "../auth/ticket.ts";
import { Tickets } from "../auth/ticket.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import { concerns } from "../runtime/revocation.ts";
import type { RuntimeService } from "../runtime/runtime.ts";
import type { Alerts } from "../telemetry/alerts.ts";
import { silentAlerts } from "../telemetry/alerts.ts";
import type { Journal } from "../telemetry/journal.ts";
import { silentJournal } from "../telemetry/journal.ts";
import type { Collected } from "../telemetry/prometheus.ts";
import { AddressLimits } from "./address-limits.ts";
import { OriginPolicy } from "./origin.ts";
import type { PendingLimits } from "./pending-sockets.ts";
import { PendingSockets } from "./pending-sockets.ts";
import { SocketCeiling } from "./socket-ceiling.ts";
import type { StaticFiles } from "./static-files.ts";

/** What the other workers of this `serve` count, as far as they answered in time. */
export interface Colleagues {
  /** The place of the one who asks. */
  readonly worker: number;
  readonly deaths: number;
  readonly others: readonly {
    readonly worker: number;
    readonly deaths: number;
    readonly samples?: Collected | undefined;
  }[];
}

export interface GatewayOptions {
  readonly runtime: RuntimeService;
  readonly authenticator: Authenticator;
  readonly apiKeys: ApiKeys;
  /** Origins of pages that may talk to us, besides our own. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** The built page; nothing is served at `/` without. */
  readonly console?: StaticFiles | undefined;
  /** Dev mode only: the demo users that `GET /dev/users` offers. */
  readonly devUsers?: (() => Promise<readonly DevUser[]>) | undefined;
  readonly clock?: Clock | undefined;
  readonly journal?: Journal | undefined;
  /** What addresses and the whole server are held to. */
  readonly tiers?: Pick<TiersConfig, "perAddress" | "perServer"> | undefined;
  readonly trustedProxies?: BlockList | undefined;
  readonly alerts?: Alerts | undefined;
  readonly pendingLimits?: PendingLimits | undefined;
  /** Several processes serve this port: `/metrics` shows them all. Undefined answer: only this one can be shown. */
  readonly colleagues?: (() => Promise<Colleagues | undefined>) | undefined;
}

export class Desk {
  readonly runtime: RuntimeService;
  readonly authenticator: Authenticator;
  readonly apiKeys: ApiKeys;
  readonly tickets: TicketStore;
  readonly origins: OriginPolicy;
  readonly pending: PendingSockets;
  readonly addresses: AddressLimits;
  readonly ceiling: SocketCeiling;
  readonly console: StaticFiles | undefined;
  readonly devUsers: GatewayOptions["devUsers"];
  readonly colleagues: GatewayOptions["colleagues"];
  readonly clock: Clock;
  readonly journal: Journal;
  /** Answers so far, by HTTP status; refused upgrades included. */
  readonly answers = new Map<number, number>();

  constructor(options: GatewayOptions) {
    this.runtime = options.runtime;
    this.authenticator = options.authenticator;
    this.apiKeys = options.apiKeys;
    this.clock = options.clock ?? systemClock;
    this.journal = options.journal ?? silentJournal;
    this.tickets = this.runtime.tickets ?? new Tickets(this.clock);
    this.runtime.revocations.onRevoked(async (revocation) => ({
      tickets: await this.tickets.takeBack((principal) => concerns(revocation, principal)),
    }));
    this.origins = new OriginPolicy(options.allowedOrigins ?? []);
    this.pending = new PendingSockets(options.pendingLimits);
    const { trustedProxies, tiers = {} } = options;
    const { perAddress, perServer } = tiers;
    this.ceiling = new SocketCeiling({
      clock: this.clock,
      journal: this.journal,
      alerts: options.alerts ?? silentAlerts,
    });
    this.addresses = new AddressLimits({ clock: this.clock, trustedProxies, perAddress, perServer });
    this.console = options.console;
    this.devUsers = options.devUsers;
    this.colleagues = options.colleagues;
  }

  countAnswer(status: number): void {
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
  }
}
