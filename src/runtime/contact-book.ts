/**
 * Where users can be reached, kept in the store's documents: addresses that publishers give, push subscriptions that the
 * users' own browsers give. What an application answers from its own database comes first. An endpoint belongs to the
 * user who registered it last: two users of one browser never get each other's notices (L8).
 */
import { createHash } from "node:crypto";
import type { ContactBody, PushSubscriptionBody } from "../../protocol/contacts.ts";
import { maxPushSubscriptions } from "../../protocol/contacts.ts";
import type { StreamKey, TenantId, UserId } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { Contact, Contacts, PushSubscription } from "../fallback/contacts.ts";
import { documentOf, type StoredDocument } from "../log/documents.ts";
import type { EventLog } from "../log/event-log.ts";

/** Of a user's document: both keyed by the user's stream. */
const contactKind = "contact";
const pushKind = "push";
/** Who registered an endpoint last; keyed by its digest. */
const endpointKind = "push-endpoint";

type Addresses = Pick<Contact, "email" | "phone">;

const digestOf = (endpoint: string): string => createHash("sha256").update(endpoint).digest("base64url");

export class ContactBook implements Contacts {
  private readonly log: Pick<EventLog, "documents" | "putDocument">;
  private readonly own: Contacts | undefined;

  /** `own`: the application's, which is asked first. */
  constructor(log: Pick<EventLog, "documents" | "putDocument">, own?: Contacts) {
    this.log = log;
    this.own = own;
  }

  async find(tenantId: TenantId, userId: UserId): Promise<Contact> {
    const stream = streamKey(tenantId, userId);
    const [own, addresses, subscriptions] = await Promise.all([
      this.own?.find(tenantId, userId),
      this.read(contactKind, stream),
      this.subscriptionsOf(stream),
    ]);
    const known: Addresses = addresses === undefined ? {} : (parseTrusted(addresses.value) as Addresses);
    return {
      email: own?.email ?? known.email,
      phone: own?.phone ?? known.phone,
      subscriptions: [...(own?.subscriptions ?? []), ...subscriptions],
    };
  }

  async drop(tenantId: TenantId, userId: UserId, subscription: PushSubscription): Promise<void> {
    await Promise.all([
      this.own?.drop(tenantId, userId, subscription),
      this.unsubscribe(streamKey(tenantId, userId), subscription.endpoint),
    ]);
  }

  /** Of the addresses, those that are named; null takes one away. */
  async put(stream: StreamKey, { email, phone }: Pick<ContactBody, "email" | "phone">): Promise<void> {
    await this.change(contactKind, stream, (text) => {
      const before: Addresses = text === undefined ? {} : (parseTrusted(text) as Addresses);
      const after: Addresses = {
        email: email === undefined ? before.email : (email ?? undefined),
        phone: phone === undefined ? before.phone : (phone ?? undefined),
      };
      return after.email === undefined && after.phone === undefined ? undefined : JSON.stringify(after);
    });
  }

  /** Says how many the user has then: the oldest go when they are too many. */
  async subscribe(stream: StreamKey, { endpoint, keys }: PushSubscriptionBody): Promise<number> {
    const { p256dh, auth } = keys;
    const digest = digestOf(endpoint);
    const owner = (await this.read(endpointKind, digest))?.value;
    // First taken away, then given: it is with both at no time.
    if (owner !== undefined && owner !== stream) await this.remove(owner as StreamKey, endpoint);
    await this.change(endpointKind, digest, () => stream);
    let count = 0;
    await this.change(pushKind, stream, (text) => {
      const others = subscriptionsIn(text).filter((one) => one.endpoint !== endpoint);
      const kept = [...others, { endpoint, keys: { p256dh, auth } }].slice(-maxPushSubscriptions);
      count = kept.length;
      return JSON.stringify(kept);
    });
    return count;
  }

  /** One that is not there is no error. */
  async unsubscribe(stream: StreamKey, endpoint: string): Promise<void> {
    await this.remove(stream, endpoint);
    const digest = digestOf(endpoint);
    const owner = await this.read(endpointKind, digest);
    if (owner?.value === stream)
      await this.log.putDocument({ kind: endpointKind, key: digest, value: undefined, expected: owner.version });
  }

  private async remove(stream: StreamKey, endpoint: string): Promise<void> {
    await this.change(pushKind, stream, (text) => {
      const left = subscriptionsIn(text).filter((one) => one.endpoint !== endpoint);
      return left.length === 0 ? undefined : JSON.stringify(left);
    });
  }

  /** Those that are still this user's: another may have taken the browser over while it was registered. */
  private async subscriptionsOf(stream: StreamKey): Promise<readonly PushSubscription[]> {
    const all = subscriptionsIn((await this.read(pushKind, stream))?.value);
    const owners = await Promise.all(all.map(({ endpoint }) => this.read(endpointKind, digestOf(endpoint))));
    return all.filter((_, index) => owners[index]?.value === stream);
  }

  private read(kind: string, key: string): Promise<StoredDocument | undefined> {
    return documentOf(this.log, kind, key);
  }

  /** Again, when somebody else was faster. */
  private async change(kind: string, key: string, edit: (text: string | undefined) => string | undefined) {
    for (;;) {
      const before = await this.read(kind, key);
      const value = edit(before?.value);
      if (value === before?.value) return;
      const answer = await this.log.putDocument({ kind, key, value, expected: before?.version ?? 0 });
      if (answer.kind === "written") return;
    }
  }
}

const subscriptionsIn = (text: string | undefined): readonly PushSubscription[] =>
  text === undefined ? [] : (parseTrusted(text) as readonly PushSubscription[]);
