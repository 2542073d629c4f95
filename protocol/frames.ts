/**
 * The frames of the socket and of SSE. Client frames are schemas, because they come from strangers: unknown
 * fields are refused. Server frames are types: the client checks their shape in `server-frame` and ignores
 * what it does not know.
 */
import * as z from "zod/mini";
import type { JsonObject, StreamEvent } from "./event.ts";
import type { ConnectionId, Cursor, Epoch, Offset, RunId, UserId } from "./ids.ts";
import { deviceIdSchema, epochSchema, nameSchema, runIdSchema } from "./id-schemas.ts";
import { maxBatchDelayMs, maxBatchEvents, minBatchDelayMs, minBatchEvents } from "./limits.ts";
import type { RunView } from "./run-view.ts";

/** The WebSocket subprotocol; a second entry `bearer.<jwt>` may carry the token. */
export const subprotocol = "runcast.v1";
export const bearerSubprotocolPrefix = "bearer.";

const offset = z.int().check(z.minimum(0));
const ref = z.union([z.string().check(z.maxLength(128)), z.number()]);
const token = z.string().check(z.minLength(1), z.maxLength(16_384));
const maxWantEntries = 100;

export const cursorSchema = z.strictObject({ epoch: epochSchema, offset });

export const helloSchema = z.strictObject({
  type: z.literal("hello"),
  cursor: z.optional(cursorSchema),
  from: z.optional(z.enum(["active", "start", "now"])),
  device: z.optional(deviceIdSchema),
  token: z.optional(token),
  want: z.optional(
    z.strictObject({
      threads: z.optional(z.array(nameSchema).check(z.maxLength(maxWantEntries))),
      types: z.optional(z.array(nameSchema).check(z.maxLength(maxWantEntries))),
    }),
  ),
  mergeDeltas: z.optional(z.boolean()),
  batch: z.optional(
    z.union([
      z.literal(true),
      z.strictObject({
        maxEvents: z.optional(z.int().check(z.minimum(minBatchEvents), z.maximum(maxBatchEvents))),
        maxDelayMs: z.optional(z.int().check(z.minimum(minBatchDelayMs), z.maximum(maxBatchDelayMs))),
      }),
    ]),
  ),
});

export const clientFrameSchema = z.discriminatedUnion("type", [
  helloSchema,
  z.strictObject({ type: z.literal("ack"), offset }),
  z.strictObject({ type: z.literal("auth"), token }),
  z.strictObject({ type: z.literal("confirm") }),
  z.strictObject({
    type: z.literal("command"),
    ref,
    /** Free text, so that an unknown command gets an answer instead of a closed socket. */
    name: z.string().check(z.minLength(1), z.maxLength(64)),
    runId: z.optional(runIdSchema),
    threadId: z.optional(nameSchema),
    data: z.optional(z.record(z.string(), z.unknown())),
  }),
  z.strictObject({ type: z.literal("ping"), ref: z.optional(ref) }),
]);

export type ClientFrame = z.infer<typeof clientFrameSchema>;
export type HelloFrame = Extract<ClientFrame, { type: "hello" }>;
export type CommandFrame = Extract<ClientFrame, { type: "command" }>;
export type FrameRef = z.infer<typeof ref>;
/** What of a stream a connection wants: nothing said means everything. */
export type Want = NonNullable<HelloFrame["want"]>;

export type CommandName = "send_message" | "cancel_run" | "resolve_approval";

export interface WelcomeFrame {
  readonly type: "welcome";
  readonly connectionId: ConnectionId;
  readonly userId: UserId;
  readonly epoch: Epoch;
  readonly head: Offset;
  readonly resumed: "replayed" | "snapshot" | "gap" | "fresh";
  readonly heartbeatMs: number;
  readonly windowEvents: number;
  /** ISO 8601: when the credential ends; an `auth` frame before that extends it. */
  readonly expiresAt: string;
}

export interface SnapshotFrame {
  readonly type: "snapshot";
  readonly at: Offset;
  readonly runs: readonly RunView[];
}

/** All that this connection should see with after < offset ≤ upto; `after` is the previous `upto` (L4). */
export interface EventsFrame {
  readonly type: "events";
  readonly after: Offset;
  readonly upto: Offset;
  readonly events: readonly StreamEvent[];
}

/** Offsets from `from` to `upto`, both inclusive, will not come; the next `events.after` is `upto`. */
export interface GapFrame {
  readonly type: "gap";
  readonly from: Offset;
  readonly upto: Offset;
  readonly reason: "retention" | "epoch" | "ahead" | "durability_none";
}

export interface ReplyFrame {
  readonly type: "reply";
  readonly ref: FrameRef;
  readonly ok: boolean;
  readonly data?: JsonObject;
  /** `retryAfterMs`: the same may pass later. */
  readonly error?: { readonly code: string; readonly message: string; readonly retryAfterMs?: number };
}

/** Something beside the stream that concerns this user; it is never part of the stream. */
export interface StatusFrame {
  readonly type: "status";
  readonly channel?: string;
  readonly state?: string;
  readonly run?: { readonly runId: RunId; readonly stalled: boolean };
}

export interface AuthExpiringFrame {
  readonly type: "auth_expiring";
  readonly inMs: number;
}

export interface PongFrame {
  readonly type: "pong";
  readonly ref?: FrameRef;
}

export interface GoodbyeFrame {
  readonly type: "goodbye";
  readonly reason: string;
  readonly retryAfterMs: number;
}

export type ServerFrame =
  | WelcomeFrame
  | SnapshotFrame
  | EventsFrame
  | GapFrame
  | ReplyFrame
  | StatusFrame
  | AuthExpiringFrame
  | PongFrame
  | GoodbyeFrame;

export type { Cursor };
