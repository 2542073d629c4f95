/** The outbox as operators see it: which critical events wait for somebody, who was told of which, and by what. */
import type { Offset, RunId, TenantId, UserId } from "./ids.ts";

export const outboxStates = ["waiting", "trying", "exhausted", "told"] as const;

export interface OutboxRowView {
  readonly userId: UserId;
  readonly tenantId: TenantId;
  readonly offset: Offset;
  readonly eventId: string;
  readonly type: string;
  readonly runId?: RunId;
  readonly threadId?: string;
  /** ISO 8601: when the event was written. */
  readonly time: string;
  /** `told`: the event is notified. That does not end it: it is stored until a device acknowledges it. */
  readonly state: (typeof outboxStates)[number];
  /** Calls of channels so far. */
  readonly attempts: number;
  /** What each channel came to in the newest round. */
  readonly outcomes: readonly {
    readonly channel: string;
    readonly outcome: "told" | "failed" | "absent" | "doubted";
  }[];
  /** Channels that are being called. */
  readonly trying?: readonly string[];
  /** By which channel, who took it, and when. */
  readonly told?: { readonly channel: string; readonly by: string; readonly at: string };
  /** Nobody knows whether it was told; it is not told again. */
  readonly inDoubt?: true;
  /** A device acknowledged it while it was being told. */
  readonly acked?: true;
  /** ISO 8601: not before it the next round begins. */
  readonly retryAt?: string;
}

export interface OutboxAnswer {
  /** In the order in which they were written. */
  readonly rows: readonly OutboxRowView[];
  readonly next: string | null;
}
