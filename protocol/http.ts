/**
 * Bodies and answers of the HTTP calls under `/v1`. Bodies are schemas and refuse unknown fields, so that a
 * field with a wrong name is an error and not an empty request (LESSONS 13). Answers are types.
 */
import * as z from "zod/mini";
import type { EventType, JsonObject, StreamEvent } from "./event.ts";
import { decisionSchema } from "./event.ts";
import type { Epoch, Fence, Offset, RunId, Seq, TenantId, UserId } from "./ids.ts";
import { nameSchema, runIdSchema, tenantIdSchema, userIdSchema } from "./id-schemas.ts";
import { maxEventsPerPublish, maxLeaseMs, minLeaseMs } from "./limits.ts";
import type { RunState, RunView } from "./run-view.ts";

export { maxEventsPerPublish, maxLeaseMs, minLeaseMs };
/** How long a run may live at most, and at least. */
export const minDeadlineMs = 1_000;
export const maxDeadlineMs = 30 * 86_400_000;
export const maxAckWaitMs = 10_000;
export const defaultCancelDeadlineMs = 10_000;
export const maxCancelDeadlineMs = 600_000;
export const defaultPageSize = 100;
export const maxPageSize = 1_000;

export const profileSchema = z.enum(["standard", "strict"]);
export const onIllegalSchema = z.enum(["reject", "repair", "quarantine"]);
export const modeSchema = z.enum(["regular", "performance"]);
export type Profile = z.infer<typeof profileSchema>;
export type OnIllegal = z.infer<typeof onIllegalSchema>;
export type Mode = z.infer<typeof modeSchema>;

const json = z.unknown();
const count = z.int().check(z.minimum(0));
/** Opaque to the publisher: what is not equal to the run's fence is `fenced`, not malformed. */
const fence = z.union([z.number(), z.string().check(z.maxLength(256))]);

export const startRunSchema = z.strictObject({
  userId: userIdSchema,
  tenantId: z.optional(tenantIdSchema),
  runId: z.optional(runIdSchema),
  threadId: z.optional(nameSchema),
  agent: nameSchema,
  input: z.optional(json),
  parentRunId: z.optional(runIdSchema),
  parentToolCallId: z.optional(nameSchema),
  profile: z.optional(profileSchema),
  onIllegal: z.optional(onIllegalSchema),
  leaseMs: z.optional(z.int().check(z.minimum(minLeaseMs), z.maximum(maxLeaseMs))),
  deadlineMs: z.optional(z.int().check(z.minimum(minDeadlineMs), z.maximum(maxDeadlineMs))),
  mode: z.optional(modeSchema),
});
export type StartRunBody = z.infer<typeof startRunSchema>;

/** The shell of a publish; the codec holds each event's `data` against its own schema. */
export const publishSchema = z.strictObject({
  fence,
  events: z
    .array(
      z.strictObject({
        type: z.string().check(z.minLength(1), z.maxLength(128)),
        data: z.optional(z.record(z.string(), json)),
        key: z.optional(nameSchema),
      }),
    )
    .check(z.minLength(1), z.maxLength(maxEventsPerPublish)),
  ifSeq: z.optional(count),
});

export const heartbeatSchema = z.strictObject({ fence });
export const claimSchema = z.strictObject({});
export const cancelSchema = z.strictObject({
  reason: z.optional(z.string().check(z.maxLength(1_000))),
  deadlineMs: z.optional(z.int().check(z.minimum(0), z.maximum(maxCancelDeadlineMs))),
});
export const resolveApprovalSchema = z.strictObject({ decision: decisionSchema, data: z.optional(json) });
export const noticeSchema = z.strictObject({
  userId: userIdSchema,
  tenantId: z.optional(tenantIdSchema),
  type: z.string().check(z.regex(/^x\.[A-Za-z0-9_.:-]{1,120}$/, "must be `x.` and a name")),
  data: z.record(z.string(), json),
  critical: z.optional(z.boolean()),
  key: z.optional(nameSchema),
  ackWaitMs: z.optional(z.int().check(z.minimum(0), z.maximum(maxAckWaitMs))),
});
export const ackSchema = z.strictObject({ connectionId: nameSchema, offset: count });
export const emptySchema = z.strictObject({});

export type PublishShell = z.infer<typeof publishSchema>;
export type HeartbeatBody = z.infer<typeof heartbeatSchema>;
export type CancelBody = z.infer<typeof cancelSchema>;
export type ResolveApprovalBody = z.infer<typeof resolveApprovalSchema>;
export type NoticeBody = z.infer<typeof noticeSchema>;
export type AckBody = z.infer<typeof ackSchema>;

export interface StartRunAnswer {
  readonly runId: RunId;
  readonly fence: Fence;
  readonly seq: Seq;
  readonly offset: Offset;
  readonly epoch: Epoch;
}

export interface PublishAnswer {
  /** Of the last event of the batch. */
  readonly seq: Seq;
  readonly offset: Offset;
  /** Events whose key was known: counted, not written. */
  readonly duplicates: number;
  /** How many steps the server wrote for the runner (`onIllegal: "repair"`). */
  readonly repaired?: number;
  /** How many events were kept apart (`onIllegal: "quarantine"`). */
  readonly quarantined?: number;
  /** It was delivered, and nothing durable holds it yet: it is gone if the server dies now, and that will be declared. */
  readonly durability?: "none";
  /** Somebody asked the run to stop: over HTTP, who publishes all the time hears it here, without a heartbeat. */
  readonly cancelRequested?: true;
}

export interface HeartbeatAnswer {
  /** ISO 8601. */
  readonly leaseUntil: string;
  /** Somebody asked the run to stop: finish soon, or say `cancel_refused`. */
  readonly cancelRequested?: true;
}

export interface ClaimAnswer {
  readonly fence: Fence;
  readonly seq: Seq;
  readonly snapshot: RunView;
}

/** What became of a notice, counted and never inferred. */
export interface BroadcastResult {
  readonly userId: UserId;
  readonly eventType: EventType;
  readonly offset: Offset;
  readonly connectionsAttempted: number;
  /** Frames that a socket really took. */
  readonly successfulSends: number;
  /** Devices that acknowledged within `ackWaitMs`. */
  readonly acknowledged: number;
  readonly errors: readonly { readonly connectionId: string; readonly code: string; readonly message: string }[];
  /** As in `PublishAnswer`. */
  readonly durability?: "none";
}

export interface LedgerAnswer {
  readonly accepted: number;
  readonly acked: number;
  readonly stored: number;
  readonly deadLettered: number;
  /** accepted − (acked + stored + deadLettered): 0, or something was lost. */
  readonly difference: number;
}

/** A run in a list; `GET /runs/{id}` has the rest. */
export interface RunSummary {
  readonly runId: RunId;
  readonly userId: UserId;
  readonly tenantId: TenantId;
  readonly threadId?: string;
  readonly agent: string;
  readonly state: RunState;
  readonly seq: Seq;
  readonly offset: Offset;
  readonly startedAt: string;
  readonly parentRunId?: RunId;
}

export interface RunsAnswer {
  /** Newest first. */
  readonly runs: readonly RunSummary[];
  readonly next: string | null;
}

export interface EventsAnswer {
  readonly events: readonly StreamEvent[];
  /**
   * `retention`: offsets (both inclusive) that stood between `after` and the first that is kept. `ahead`: `after` is
   * beyond the head, so it was given by another log; begin at 0.
   */
  readonly gap?: { readonly from: Offset; readonly upto: Offset; readonly reason: "retention" | "ahead" };
  /** The `after` of the next page; null at the end. */
  readonly next: number | null;
}

/** What will not reach its user, and why. */
export interface DeadLetterView {
  readonly kind: "quarantined" | "corrupt" | "retired";
  readonly userId: UserId;
  readonly tenantId: TenantId;
  readonly reason: string;
  /** ISO 8601: when it died. */
  readonly time: string;
  /** Of a quarantined event. */
  readonly runId?: RunId;
  readonly type?: string;
  readonly data?: JsonObject;
  /** Of corrupt and retired ones: their offsets, both inclusive, and how many are dead. */
  readonly from?: Offset;
  readonly upto?: Offset;
  readonly events?: number;
}

export interface DeadLettersAnswer {
  /** Newest first. */
  readonly entries: readonly DeadLetterView[];
  readonly next: string | null;
}

/** A circuit breaker as its operator sees it. */
export interface BreakerAnswer {
  readonly name: string;
  readonly state: "closed" | "open" | "halfOpen";
  /** 0 (open) to 100. */
  readonly health: number;
  /** In a row. */
  readonly failures: number;
  /** How often it has opened since the process began. */
  readonly openedCount: number;
  /** ISO 8601: when it came into this state. */
  readonly changedAt: string;
  /** Until it is tried again; only while it is open. */
  readonly retryAfterMs?: number;
  readonly settings: { readonly maxFailures: number; readonly openMs: number; readonly probeCount: number };
}

export interface BreakersAnswer {
  /** That of the weakest breaker of the list; connections have their own. */
  readonly health: number;
  readonly breakers: readonly BreakerAnswer[];
  /** How many connections have their breaker in which state, and the health of the weakest. */
  readonly connections: {
    readonly open: number;
    readonly halfOpen: number;
    readonly closed: number;
    readonly lowestHealth: number;
  };
}

/** An alert as it stands on the board, and as a sink is told of it. */
export interface AlertView {
  readonly name: string;
  readonly severity: "critical" | "warning";
  readonly summary: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly state: "firing" | "resolved";
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt?: string | undefined;
}

export interface AlertsAnswer {
  /** `yellow`: a warning holds, or an alert waits to be told. `red`: something critical holds. */
  readonly health: "green" | "yellow" | "red";
  /** What holds now, oldest first. */
  readonly alerts: readonly AlertView[];
  /** By sink: what it has not taken. */
  readonly waiting: Readonly<Record<string, readonly AlertView[]>>;
}

export interface TicketAnswer {
  readonly ticket: string;
  /** ISO 8601. */
  readonly expiresAt: string;
}

export interface ErrorAnswer {
  readonly error: { readonly code: string; readonly message: string; readonly details?: Record<string, unknown> };
}
