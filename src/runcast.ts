/**
 * Runcast as an application embeds it: promises and async iterables outside, the same runtime that the server runs
 * inside. `createRuncast` makes one; see `make-runcast`.
 */
import type { Server } from "node:http";
import type { BlockList } from "node:net";
import type { InspectionEvent } from "xstate";
import type { StreamEvent } from "../protocol/event.ts";
import type { FlagPatch, FlagsAnswer } from "../protocol/flags.ts";
import type { LiftBody, LiftedAnswer, RevokeBody, RevokedAnswer } from "../protocol/access.ts";
import type { BroadcastResult, CancelBody, NoticeBody, ResolveApprovalBody, StartRunBody } from "../protocol/http.ts";
import type { RunView } from "../protocol/run-view.ts";
import type { ApiKeyEntry } from "./auth/api-key.ts";
import type { AuditLog } from "./auth/audit-log.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import type { JwtKey } from "./auth/jwt.ts";
import type { TokenCheck } from "./auth/token-check.ts";
import type { SpoolSetting, StoreSetting } from "./config-values.ts";
import type { EventLog, RunRecord } from "./log/event-log.ts";
import type { Run } from "./runtime/run-handle.ts";
import type { RuntimeOptions } from "./runtime/options.ts";
import type { RuntimeService } from "./runtime/runtime.ts";
import type { Spool } from "./spool/spool.ts";

export interface RuncastOptions
  extends Pick<
    RuntimeOptions,
    | "onCommand"
    | "clock"
    | "journal"
    | "alerts"
    | "alertSinks"
    | "tracer"
    | "heartbeatMs"
    | "helloMs"
    | "windowEvents"
    | "windowBytes"
    | "leaseMs"
    | "graceMs"
    | "maxConnectionsPerUser"
    | "tiers"
    | "confirmAuth"
    | "contamination"
    | "retentionMs"
    | "compactAfterMs"
    | "breakers"
    | "channels"
    | "contacts"
    | "escalation"
    | "vapidPublicKey"
  > {
  /** `sqlite:<file>`, `memory:`, `redis://…` or a log of your own. Default `sqlite:./runcast.db`. */
  readonly store?: string | StoreSetting | EventLog | undefined;
  /**
   * Where events wait while the store takes none: `file:<directory>`, `redis://…`, a spool of your own, or `false`. Default
   * for an SQLite store: a folder beside it; for any other: none. Only for a store that this process alone writes to.
   */
  readonly spool?: string | SpoolSetting | Spool | false | undefined;
  /** `os`: commit without waiting for the disk; a power cut may then cost what was acknowledged. Default `fsync`. */
  readonly commit?: "fsync" | "os" | undefined;
  /** How users prove who they are: a check of your own, an HS256 secret (≥ 32 bytes), a JWKS, or an authenticator. */
  readonly auth: TokenCheck | JwtKey | Authenticator;
  readonly jwtIssuer?: string | undefined;
  readonly jwtAudience?: string | undefined;
  /** For publishers over HTTP: `name:key[:tenant,…][:publish+admin]`, separated by `;`. Default none. */
  readonly apiKeys?: string | readonly ApiKeyEntry[] | undefined;
  /** Origins beside the server's own that browsers may connect from. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Proxies whose `X-Forwarded-For` is believed: addresses or blocks like `10.0.0.0/8`. Default none. */
  readonly trustedProxies?: string | BlockList | undefined;
  /**
   * Where it is written down who was let in, who was not, and what operators changed: `file:<file>`, `off`, or a log of
   * your own. Default: beside a SQLite store that is named here; none for any other.
   */
  readonly audit?: string | AuditLog | undefined;
  /** Seals the audit log's lines, so that nobody without it can make them anew. At least 32 bytes. */
  readonly auditKey?: string | undefined;
  /**
   * Hears of each run that a former process of this store left unfinished, soon after the start and one by one. Claim
   * it to go on with it; otherwise its lease runs out and it is interrupted. On a store that several nodes share: of each
   * run whose runner has been silent for its lease, at one of the nodes that ask; claim it within the grace period.
   */
  readonly onOrphan?: ((record: RunRecord) => void) | undefined;
}

export type StartRunOptions = StartRunBody;

export interface Follow {
  readonly userId: string;
  readonly tenantId?: string | undefined;
  /** Offset after which to begin. Default: at the first event that is kept. */
  readonly after?: number | undefined;
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
}

export interface DeliveredQuestion {
  readonly runId: string;
  readonly tenantId?: string | undefined;
  readonly seq: number;
  /** How long to wait for devices to acknowledge. Default 0. */
  readonly ackWaitMs?: number | undefined;
}

export interface RuncastFlags {
  /** Every flag with its rule. */
  get(): FlagsAnswer;
  /**
   * Changes the flags that are named; null is the default again. With `expectedVersion` only if nobody was first.
   *
   * Fails: `InvalidInput` with what would be right, `FlagsConflict`, `LogUnavailable`.
   */
  set(patch: FlagPatch, expectedVersion?: number): Promise<FlagsAnswer>;
  /** Puts back the set before this one, as a new version. Fails: `FlagsConflict`, `LogUnavailable`. */
  rollback(): Promise<FlagsAnswer>;
}

export interface Runcast {
  /**
   * Starts a run and gives its handle. With a known `runId` and the same options: the run that is there.
   *
   * Fails: `InvalidInput`, `RunExists`, `RunEnded`, `Contaminated`, `NotAccepting`, `LogUnavailable`.
   */
  startRun(options: StartRunOptions): Promise<Run>;
  /** Takes a living run over: an older handle is fenced from here on. Fails: `NotFound`, `RunEnded`. */
  claim(runId: string, tenantId?: string): Promise<Run>;
  /** Asks a run to stop: its `signal` aborts, and at the deadline it is ended for it. Fails: `NotFound`, `RunEnded`. */
  cancel(runId: string, options?: CancelBody & { readonly tenantId?: string }): Promise<void>;
  /** Answers an approval of a suspended run. Fails: `NotFound`, `AlreadyResolved`, `RunEnded`. */
  resolveApproval(approvalId: string, answer: ResolveApprovalBody & { readonly tenantId?: string }): Promise<void>;
  /** Sends a user an event that belongs to no run, and counts what became of it. */
  notify(notice: NoticeBody): Promise<BroadcastResult>;
  /**
   * What became of an event of a run, counted: how many connections were due, how many were handed it, how many devices
   * have acknowledged it. `seq` is that of the publish's answer. Ask after the publish has resolved.
   *
   * Fails: `NotFound` for a run or an event that is not (any more) in the log, `LogUnavailable`.
   */
  delivered(question: DeliveredQuestion): Promise<BroadcastResult>;
  /** Counts a call of an old name in `runcast_facade_calls_total`: for wrappers that are to be replaced. */
  noteFacadeCall(name: string): void;
  /**
   * A user's stream from the log, then as it grows.
   *
   * Fails: `CursorExpired` when events behind `after`, or behind the last one given, are not kept any more, or `after` is
   * beyond the head. Nothing is ever left out in silence.
   */
  events(follow: Follow): AsyncIterable<StreamEvent>;
  /** A run's folded state. Fails: `NotFound`. */
  run(runId: string, tenantId?: string): Promise<RunView>;
  /** Feature flags of this store: what they are, how they are changed, and the way back. */
  readonly flags: RuncastFlags;
  /**
   * Sends a user, a session or an API key away: live connections are cut, tickets and tokens refused. Of a user, tokens
   * that were issued later are good again. Fails: `LogUnavailable`: it holds here and may not be kept; repeat it.
   */
  revoke(target: RevokeBody): Promise<RevokedAnswer>;
  /** Lets them in again. Fails: `LogUnavailable`. */
  liftRevocation(target: LiftBody): Promise<LiftedAnswer>;
  /** Serves `/v1` on a server of yours; every other path is left to you. Call it when your listeners are there. */
  attach(server: Server): void;
  /** Every actor's events and snapshots, in XState's inspection format. The answer detaches. */
  inspect(observer: (event: InspectionEvent) => void): () => void;
  /** The calls that the gateway makes, for a transport of your own. */
  readonly runtime: RuntimeService;
  /** Drains: nobody new, goodbye to all, everything accepted is durable. */
  close(): Promise<void>;
}
