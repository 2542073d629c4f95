/**
 * The outbox: what somebody must be told if no device acknowledges it. A row is written in the transaction of its event
 * (`Append.escalate`), so neither is there without the other; what becomes of it is decided by `runtime/escalations`
 * and kept here, so that a process that dies at any point leaves one truth behind.
 */
import type { Offset, RunId, StreamKey, TenantId } from "../../protocol/ids.ts";

/**
 * `waiting`: for an ack, or for its time. `trying`: somebody calls a channel for it. `exhausted`: no channel took it, it
 * is tried again later. `told`: it is done, and stays as a mark for as long as its event is kept.
 */
export type OutboxState = "waiting" | "trying" | "exhausted" | "told";

/** Its event's place names it. */
export interface OutboxRow {
  readonly stream: StreamKey;
  readonly offset: Offset;
  readonly eventId: string;
  readonly type: string;
  readonly runId?: RunId | undefined;
  readonly threadId?: string | undefined;
  /** ISO 8601 UTC: when the event was written. */
  readonly time: string;
  readonly state: OutboxState;
  /** What its owner keeps with it, given back to the letter; empty when it is new. */
  readonly note: string;
  /** 1 when it was made, one more with every move. */
  readonly version: number;
}

export interface OutboxQuery {
  readonly tenantId?: TenantId | undefined;
  readonly stream?: StreamKey | undefined;
  /** Default: all. */
  readonly states?: readonly OutboxState[] | undefined;
  /** Opaque, from a former answer. */
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface OutboxPage {
  /** In the order in which they were written. */
  readonly rows: readonly OutboxRow[];
  /** Null at the end. What is written later stands behind the last row that was seen. */
  readonly next: string | null;
}

export interface MoveOutbox {
  readonly stream: StreamKey;
  readonly offset: Offset;
  /** Moves it only from this version: of two who try, one wins. */
  readonly version: number;
  /** Undefined takes the row away. */
  readonly to: OutboxState | undefined;
  readonly note?: string | undefined;
  /** Not once a device of the user has acknowledged it: the row is taken away instead, in the same transaction. */
  readonly unlessAcked?: boolean | undefined;
}

export type OutboxMoved =
  /** As it stands now; undefined when it was taken away. */
  | { readonly kind: "moved"; readonly row: OutboxRow | undefined }
  | { readonly kind: "acked" }
  /** Nothing was changed: it stands so; undefined: there is none. */
  | { readonly kind: "version_conflict"; readonly row: OutboxRow | undefined };
