/**
 * A way to reach somebody who does not look at a screen of ours: PORT. Web Push, webhook, e-mail and SMS tell a user,
 * `system-alert` tells the operator. `runtime/escalations` calls them, each behind its breaker; nothing else does.
 */
import type { TenantId, UserId } from "../../protocol/ids.ts";
import type { Contacts } from "./contacts.ts";

export type ChannelName = "web-push" | "webhook" | "email" | "sms";

/** What is told. Its texts are made by us from the event: no payload travels unless the channel says so. */
export interface Notice {
  /** Of the event: the receiver drops what it has seen. The same over every try and every channel. */
  readonly id: string;
  readonly tenantId: TenantId;
  readonly userId: UserId;
  readonly eventType: string;
  readonly offset: number;
  readonly runId?: string | undefined;
  readonly threadId?: string | undefined;
  /** ISO 8601 UTC: when the event was written. */
  readonly time: string;
  /** A line for a person. */
  readonly title: string;
  /** A few sentences for a person. */
  readonly text: string;
  /** Where to look, if the operator has named a page. */
  readonly url?: string | undefined;
}

export type Told =
  /** The other side took it. `by` names the target for the audit log, without secrets. */
  | { readonly kind: "told"; readonly by: string }
  /** This user has no address here: the next channel's turn. No word against the channel. */
  | { readonly kind: "absent" };

export interface Channel {
  readonly name: ChannelName;
  /** Rung of the ladder: 4 emergency, 5 alternative. */
  readonly rung: 4 | 5;
  /**
   * Tells it once, to the addresses that `contacts` gives. Rejects when the other side did not take it; what became of
   * it may be unknown, so the same `id` may come again. It is done within seconds, whatever the other side does.
   *
   * Fails: `NotTaken` by our own channels; `speaksAgainstChannel` (`not-taken`) says whether the breaker counts it.
   */
  tell(notice: Notice, signal: AbortSignal, contacts: Contacts): Promise<Told>;
}
