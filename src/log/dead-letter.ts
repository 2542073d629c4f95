/**
 * Dead letters: what will not reach its user, with the reason, for an operator to look at (L10). A log keeps them beside
 * its streams; they are no part of one. Like events they go when they are older than what is kept.
 */
import type { Offset, RunId, StreamKey, TenantId } from "../../protocol/ids.ts";

/** An event that may not be shown. */
export interface QuarantineEntry {
  readonly stream: StreamKey;
  readonly tenantId: TenantId;
  readonly runId: RunId;
  readonly type: string;
  readonly data: string;
  readonly reason: string;
  /** ISO 8601 UTC. */
  readonly time: string;
}

/** Offsets of a stream, both inclusive, and how many events of them are dead. */
export interface LostRange {
  readonly stream: StreamKey;
  readonly tenantId: TenantId;
  readonly from: Offset;
  readonly upto: Offset;
  readonly events: number;
  readonly reason: string;
  readonly time: string;
}

export type DeadLetter =
  /** Refused as illegal where a run asks for it to be kept, or came after the run's end. Never had an offset. */
  | ({ readonly kind: "quarantined" } & QuarantineEntry)
  /** Its record failed its checksum, or is gone. */
  | ({ readonly kind: "corrupt" } & LostRange)
  /** Retention took it before a device had acknowledged it. */
  | ({ readonly kind: "retired" } & LostRange);

export interface DeadLettersQuery {
  readonly tenantId?: TenantId | undefined;
  readonly stream?: StreamKey | undefined;
  /** Only quarantined events have one. */
  readonly runId?: RunId | undefined;
  /** Opaque, from a former answer. Newest first. */
  readonly before?: string | undefined;
  readonly limit: number;
}

export interface DeadLettersPage {
  readonly entries: readonly DeadLetter[];
  readonly next: string | null;
}
