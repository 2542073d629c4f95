/**
 * Where a user can be reached who does not look: PORT. The user's own clients and the application register what it
 * gives, the log's documents keep it, and the channels ask it. Whoever asks names tenant and user, so nobody is told
 * what belongs to somebody else.
 */
import type { TenantId, UserId } from "../../protocol/ids.ts";

/** As `PushSubscription.toJSON()` gives it in the browser. Its endpoint is chosen by the client: trust it in nothing. */
export interface PushSubscription {
  readonly endpoint: string;
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

export interface Contact {
  /** One address, as in `alice@example.com`. */
  readonly email?: string | undefined;
  /** E.164, as in `+4915112345678`. */
  readonly phone?: string | undefined;
  readonly subscriptions: readonly PushSubscription[];
}

export interface Contacts {
  /** What is known of the user; no subscriptions for one of whom nothing is. Rejects when it cannot be read now. */
  find(tenantId: TenantId, userId: UserId): Promise<Contact>;
  /** The push service has forgotten this subscription, so it is forgotten here. One that is not there is no error. */
  drop(tenantId: TenantId, userId: UserId, subscription: PushSubscription): Promise<void>;
}
