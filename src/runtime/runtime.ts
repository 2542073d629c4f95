/**
 * The runtime as the gateway sees it: every call of a stranger passes here, named with who makes it, and is
 * answered with a value or one of the expected errors. `make-runtime` builds it; `gateway/` is its only caller
 * apart from the embedding API.
 */
import * as Context from "effect/Context";
import type { LogHealth } from "../log/watched-log.ts";
import type { SpoolHealth } from "../spool/spooled-log.ts";
import type * as Effect from "effect/Effect";
import type { PublishBody } from "../../protocol/codec.ts";
import type { FlagsAnswer } from "../../protocol/flags.ts";
import type { ClientFrame } from "../../protocol/frames.ts";
import type {
  AuditAnswer,
  LiftBody,
  LiftedAnswer,
  RevocationsAnswer,
  RevokeBody,
  RevokedAnswer,
} from "../../protocol/access.ts";
import type {
  AlertsAnswer,
  BreakerAnswer,
  BreakersAnswer,
  BroadcastResult,
  CancelBody,
  ClaimAnswer,
  DeadLettersAnswer,
  EventsAnswer,
  HeartbeatAnswer,
  HeartbeatBody,
  LedgerAnswer,
  NoticeBody,
  PublishAnswer,
  ResolveApprovalBody,
  RunsAnswer,
  StartRunAnswer,
  StartRunBody,
} from "../../protocol/http.ts";
import type {
  ContactAnswer,
  ContactBody,
  PushKeyAnswer,
  PushSubscriptionBody,
  PushSubscriptionsAnswer,
  RemoveSubscriptionBody,
} from "../../protocol/contacts.ts";
import type { OutboxAnswer } from "../../protocol/outbox.ts";
import type { ConnectionId, Offset, RunId, TenantId, UserId } from "../../protocol/ids.ts";
import type { Issue } from "../../protocol/json.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { Principal, PublisherPrincipal, UserPrincipal } from "../auth/principal.ts";
import type { ExpectedError } from "../errors.ts";
import type { RuntimeFigures } from "./runtime-figures.ts";
import type { OutboxPageQuery } from "./outbox-view.ts";
import type { Doors } from "./doors.ts";
import type { Transport } from "./transport.ts";

type Answer<Value> = Effect.Effect<Value, ExpectedError>;

/** Whose things a read is about. Users may leave it out; it then means themselves. */
export interface Whose {
  readonly tenantId?: TenantId | undefined;
  readonly userId?: UserId | undefined;
}

export interface Page {
  readonly after: number;
  readonly limit: number;
}

/** One connection as its transport's owner sees it. Calls after `closed` change nothing. */
export interface Connection {
  readonly id: ConnectionId;
  /** A frame that the codec let through. */
  receive(frame: ClientFrame): void;
  /** A frame that it did not: the connection closes with 4400. */
  malformed(issue: Issue): void;
  /** The other side answered a ping, or sent anything at all. */
  heard(): void;
  /** One more frame of the other side, pings included. False: one too many, and the connection ends with 4429. */
  admitsFrame(): boolean;
  /** It sent more than its transport takes: it is told when to come back, and ended with 4429. */
  flooded(retryAfterMs: number): void;
  /** The transport can take more (its buffer has drained). */
  writable(): void;
  /** The transport is gone, whoever ended it. */
  closed(): void;
}

export interface OpenConnection {
  readonly transport: Transport;
  /** Known before the first frame (header, subprotocol, ticket), or not yet (token in `hello`). */
  readonly principal?: UserPrincipal | undefined;
  readonly remoteAddress?: string | undefined;
}

export interface RuntimeService extends Doors {
  /** `created` is false when the same call had made the run before. */
  startRun(
    caller: PublisherPrincipal,
    body: StartRunBody,
    traceparent?: string,
  ): Answer<{ readonly answer: StartRunAnswer; readonly created: boolean }>;
  publish(
    caller: PublisherPrincipal,
    tenantId: TenantId | undefined,
    runId: RunId,
    body: PublishBody,
    traceparent?: string,
  ): Answer<PublishAnswer>;
  heartbeat(
    caller: PublisherPrincipal,
    tenantId: TenantId | undefined,
    runId: RunId,
    body: HeartbeatBody,
  ): Answer<HeartbeatAnswer>;
  claim(caller: PublisherPrincipal, tenantId: TenantId | undefined, runId: RunId): Answer<ClaimAnswer>;
  cancel(caller: Principal, tenantId: TenantId | undefined, runId: RunId, body: CancelBody): Answer<void>;
  resolveApproval(
    caller: Principal,
    tenantId: TenantId | undefined,
    approvalId: string,
    body: ResolveApprovalBody,
  ): Answer<{ readonly approvalId: string; readonly decision: "approve" | "deny"; readonly by: string }>;
  notify(caller: PublisherPrincipal, body: NoticeBody): Answer<BroadcastResult>;
  /** What became of an event of a run, by its seq there; `ackWaitMs` waits for devices. */
  delivered(
    caller: PublisherPrincipal,
    tenantId: TenantId | undefined,
    runId: RunId,
    question: { readonly seq: number; readonly ackWaitMs?: number | undefined },
  ): Answer<BroadcastResult>;
  ledger(caller: Principal, whose: Whose): Answer<LedgerAnswer>;
  deadLetters(
    caller: PublisherPrincipal,
    whose: Whose,
    page: { readonly runId?: RunId | undefined; readonly before?: string | undefined; readonly limit: number },
  ): Answer<DeadLettersAnswer>;
  /** Sends a user, a session or an API key away from now on, and cuts what of it is live. */
  revoke(caller: PublisherPrincipal, body: RevokeBody): Answer<RevokedAnswer>;
  standingRevocations(
    caller: PublisherPrincipal,
    page: { readonly after?: string | undefined; readonly limit: number },
  ): Answer<RevocationsAnswer>;
  liftRevocation(caller: PublisherPrincipal, body: LiftBody): Answer<LiftedAnswer>;
  /** `page.after` is an entry's number. */
  audit(caller: PublisherPrincipal, whose: Whose, page: Page): Answer<AuditAnswer>;
  runs(caller: Principal, whose: Whose, page: { readonly before?: string; readonly limit: number }): Answer<RunsAnswer>;
  run(caller: Principal, tenantId: TenantId | undefined, runId: RunId): Answer<RunView>;
  /** `page.after` is a seq. */
  runEvents(caller: Principal, tenantId: TenantId | undefined, runId: RunId, page: Page): Answer<EventsAnswer>;
  /** `page.after` is an offset. */
  events(caller: Principal, whose: Whose, page: Page): Answer<EventsAnswer>;
  /** Fails: `NotFound` where nobody is told by Web Push. */
  pushKey(): Answer<PushKeyAnswer>;
  /** Fails: as `pushKey`. */
  subscribe(caller: UserPrincipal, subscription: PushSubscriptionBody): Answer<PushSubscriptionsAnswer>;
  unsubscribe(caller: UserPrincipal, subscription: RemoveSubscriptionBody): Answer<void>;
  putContact(caller: PublisherPrincipal, contact: ContactBody): Answer<ContactAnswer>;
  outbox(caller: PublisherPrincipal, whose: Whose, page: OutboxPageQuery): Answer<OutboxAnswer>;
  /** Every flag with its rule. */
  flags(caller: PublisherPrincipal): Answer<FlagsAnswer>;
  /** `expected`: only if they stand at this version. `patch` is what the operator sent, whatever that is. */
  setFlags(caller: PublisherPrincipal, patch: unknown, expected?: number): Answer<FlagsAnswer>;
  rollBackFlags(caller: PublisherPrincipal, expected?: number): Answer<FlagsAnswer>;
  /** An ack beside the connection, for SSE. */
  ack(caller: UserPrincipal, connectionId: ConnectionId, offset: Offset): Answer<void>;
  /** Takes a connection in. Fails while starting, draining or over a limit: before the upgrade, please. */
  open(connection: OpenConnection): Answer<Connection>;
  breakers(caller: PublisherPrincipal): Answer<BreakersAnswer>;
  /** Closes one by hand: for keys of every tenant. */
  resetBreaker(caller: PublisherPrincipal, name: string): Answer<BreakerAnswer>;
  /** What holds now, and what no sink has taken. For keys of every tenant. */
  alerts(caller: PublisherPrincipal): Answer<AlertsAnswer>;
  /** `starting`, `accepting`, `draining` or `stopped`: the supervisor's state. */
  readonly state: () => SupervisorState;
  /** The plain numbers of what `/metrics` shows; names as in `telemetry/runtime-metrics`. */
  readonly stats: () => RuntimeStats;
  /** All that metrics and alert rules are read off. */
  readonly figures: () => RuntimeFigures;
  /** Stops taking, says goodbye, waits until all that was accepted is durable. */
  readonly drain: Effect.Effect<void>;
}

export type SupervisorState = "starting" | "accepting" | "draining" | "stopped";

export interface RuntimeStats extends LogHealth, SpoolHealth {
  readonly connections: number;
  readonly livingRuns: number;
  /** Of these and of those that nobody has asked for yet: their runner has gone silent. */
  readonly stalledRuns: number;
  readonly overdueToolCalls: number;
  readonly streams: number;
  readonly eventsAccepted: number;
  readonly eventsRefused: number;
  readonly contaminationRefused: number;
  readonly framesSent: number;
  readonly eventsSent: number;
  readonly acksReceived: number;
  readonly runsInterrupted: number;
  readonly eventsRetired: number;
  readonly eventsDeadLettered: number;
  readonly deltasMerged: number;
}

/** The runtime as an Effect service. */
export class Runtime extends Context.Service<Runtime, RuntimeService>()("runcast/runtime/Runtime") {}
