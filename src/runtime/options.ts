/** What a runtime is made of, and its safe defaults. Durations in ms, sizes in bytes. */
import type { BreakerSettings } from "../../machines/circuit-breaker.ts";
import type { JsonObject } from "../../protocol/event.ts";
import type { RunId, TenantId, UserId } from "../../protocol/ids.ts";
import { defaultLeaseMs } from "../../protocol/limits.ts";
import type { AuditLog } from "../auth/audit-log.ts";
import { silentAuditLog } from "../auth/audit-log.ts";
import type { TiersConfig } from "../../protocol/tiers.ts";
import type { UserPrincipal } from "../auth/principal.ts";
import type { Channel } from "../fallback/channel.ts";
import type { Contacts } from "../fallback/contacts.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/clock.ts";
import type { LoopDelay } from "../platform/process-figures.ts";
import type { AlertPlace } from "../telemetry/alert-keep.ts";
import type { Alerts, AlertSink } from "../telemetry/alerts.ts";
import type { Journal } from "../telemetry/journal.ts";
import { silentJournal } from "../telemetry/journal.ts";
import type { SpooledLogTerms } from "../spool/spooled-log.ts";
import type { Tracer } from "../telemetry/tracer.ts";
import type { EscalationOptions } from "./escalation-policy.ts";

/** A command of a user that the application answers: today `send_message`. */
export interface UserCommand {
  readonly name: "send_message";
  readonly tenantId: TenantId;
  readonly userId: UserId;
  readonly runId?: RunId | undefined;
  readonly threadId?: string | undefined;
  readonly data: JsonObject;
}

export interface RuntimeOptions {
  readonly log: EventLog;
  /** Verifies the token of a `hello` or `auth` frame; rejects with `Unauthenticated`. */
  readonly authenticate: (token: string) => Promise<UserPrincipal>;
  /** Answers users' commands. Its answer is the reply's `data`; what it throws becomes `ok: false`. */
  readonly onCommand?: ((command: UserCommand) => Promise<JsonObject>) | undefined;
  readonly clock?: Clock | undefined;
  readonly journal?: Journal | undefined;
  /** Hears of what operators change, and of who was let in. */
  readonly auditLog?: AuditLog | undefined;
  /** Hears each alert when it begins and when it is over, beside the journal and the sinks. */
  readonly alerts?: Alerts | undefined;
  /** Carry alerts to the operator. What they do not take waits, and comes again. */
  readonly alertSinks?: readonly AlertSink[] | undefined;
  /** Where what holds, and what no sink has taken, outlives the process. Default: nowhere. */
  readonly alertPlace?: AlertPlace | undefined;
  /** Makes spans of appends, deliveries and replays; that of `@opentelemetry/api` fits. */
  readonly tracer?: Tracer | undefined;
  /** How late this process' timers fire, since it was last asked. */
  readonly loopDelay?: (() => LoopDelay) | undefined;
  /** Between two pings; two without an answer end the connection. */
  readonly heartbeatMs?: number | undefined;
  /** How long a connection may take to say hello (and, with `confirmAuth`, to confirm). */
  readonly helloMs?: number | undefined;
  readonly windowEvents?: number | undefined;
  readonly windowBytes?: number | undefined;
  /** Of a run that names none. */
  readonly leaseMs?: number | undefined;
  /** From a lost lease to `agent_interrupted`. */
  readonly graceMs?: number | undefined;
  /** Of a user of the default tier: beyond it the oldest connection is closed with 4409. */
  readonly maxConnectionsPerUser?: number | undefined;
  /** Tiers: what users may have, and who is in which. */
  readonly tiers?: TiersConfig | undefined;
  /** A client that does not `confirm` its welcome is closed with 4408. */
  readonly confirmAuth?: boolean | undefined;
  /** What happens to an event whose payload names another user: `refuse` (default) or `sanitize`. */
  readonly contamination?: "refuse" | "sanitize" | undefined;
  /** How long events are kept. What is older goes: ended runs whole, living ones never. */
  readonly retentionMs?: number | undefined;
  /** From a run's end to the compaction of its deltas. */
  readonly compactAfterMs?: number | undefined;
  /** Tell users who do not look, in the order of their rungs. Default none: nobody is told. */
  readonly channels?: readonly Channel[] | undefined;
  /** By the breaker's name (`log`, `spool`, `web-push`, …): what is not as by default. */
  readonly breakers?: Readonly<Record<string, Partial<BreakerSettings>>> | undefined;
  /** Which events are critical, how long to wait, whom to call. */
  readonly escalation?: EscalationOptions | undefined;
  /** Where users can be reached. Default: what they and publishers register, kept in the store. */
  readonly contacts?: Contacts | undefined;
  /** What a browser subscribes with; it belongs to the `web-push` channel. */
  readonly vapidPublicKey?: string | undefined;
  /** Where events wait while the log takes none. Undefined: they are refused then. */
  readonly spool?: OpenedSpool | undefined;
}

export type OpenedSpool = Pick<SpooledLogTerms, "spool" | "mark" | "durability"> & {
  /** Of one that is files: what else must outlive a log that fails may stand in it. */
  readonly folder?: string | undefined;
};

type Optional = "onCommand" | "alertPlace" | "loopDelay" | "tracer" | "contacts" | "vapidPublicKey" | "spool";
export type Settings = Required<Omit<RuntimeOptions, Optional>> & Pick<RuntimeOptions, Optional>;
/** Before there is a board that alerts go to. */
export type GivenSettings = Omit<Settings, "alerts"> & Pick<RuntimeOptions, "alerts">;

const defaultHeartbeatMs = 15_000;
const defaultHelloMs = 5_000;
const defaultWindowEvents = 1_024;
const defaultWindowBytes = 1_048_576;
const defaultGraceMs = 30_000;
const defaultConnectionsPerUser = 1_000;
/** Seven days. */
export const defaultRetentionMs = 604_800_000;
/** One hour: who reads along reads it as it was written. */
export const defaultCompactAfterMs = 3_600_000;

export function settingsOf(options: RuntimeOptions): GivenSettings {
  return {
    log: options.log,
    authenticate: options.authenticate,
    onCommand: options.onCommand,
    clock: options.clock ?? systemClock,
    journal: options.journal ?? silentJournal,
    auditLog: options.auditLog ?? silentAuditLog,
    alerts: options.alerts,
    alertSinks: options.alertSinks ?? [],
    alertPlace: options.alertPlace,
    loopDelay: options.loopDelay,
    tracer: options.tracer,
    heartbeatMs: options.heartbeatMs ?? defaultHeartbeatMs,
    helloMs: options.helloMs ?? defaultHelloMs,
    windowEvents: options.windowEvents ?? defaultWindowEvents,
    windowBytes: options.windowBytes ?? defaultWindowBytes,
    leaseMs: options.leaseMs ?? defaultLeaseMs,
    graceMs: options.graceMs ?? defaultGraceMs,
    maxConnectionsPerUser: options.maxConnectionsPerUser ?? defaultConnectionsPerUser,
    tiers: options.tiers ?? {},
    confirmAuth: options.confirmAuth ?? false,
    contamination: options.contamination ?? "refuse",
    retentionMs: options.retentionMs ?? defaultRetentionMs,
    compactAfterMs: options.compactAfterMs ?? defaultCompactAfterMs,
    breakers: options.breakers ?? {},
    channels: options.channels ?? [],
    escalation: options.escalation ?? {},
    contacts: options.contacts,
    vapidPublicKey: options.vapidPublicKey,
    spool: options.spool,
  };
}
