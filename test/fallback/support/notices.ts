/** A notice as the escalations tell it, an address book that a test fills, and what a channel threw. */
import { asTenantId, asUserId } from "../../../protocol/ids.ts";
import type { Channel, Notice, Told } from "../../../src/fallback/channel.ts";
import type { Contact, Contacts, PushSubscription } from "../../../src/fallback/contacts.ts";
import { NotTaken } from "../../../src/fallback/not-taken.ts";

export const noticeOf = (with_: Partial<Notice> = {}): Notice => ({
  id: "0197d5a0-7d7a-7000-8000-000000000001",
  tenantId: asTenantId("acme"),
  userId: asUserId("alice"),
  eventType: "agent_failed",
  offset: 7,
  runId: "run-1",
  time: "2026-01-01T10:00:00.000Z",
  title: "The agent writer has failed",
  text: "It said: the model did not answer.",
  url: "https://app.example/runs/run-1",
  ...with_,
});

export const never = new AbortController().signal;

export class AddressBook implements Contacts {
  readonly dropped: PushSubscription[] = [];
  private readonly contact: Partial<Contact>;
  constructor(contact: Partial<Contact> = {}) {
    this.contact = contact;
  }
  find: Contacts["find"] = async (tenantId, userId) => {
    const isHers = tenantId === "acme" && userId === "alice";
    return { subscriptions: [], ...(isHers && this.contact) };
  };
  drop: Contacts["drop"] = async (_tenantId, _userId, subscription) => {
    this.dropped.push(subscription);
  };
}

export const unreadable: Contacts = {
  find: () => Promise.reject(new Error("the log is down")),
  drop: () => Promise.reject(new Error("the log is down")),
};

export const tell = (channel: Channel, contacts: Contacts, notice = noticeOf(), signal = never): Promise<Told> =>
  channel.tell(notice, signal, contacts);

/** Why it was not taken; fails when it was, or for any other error. */
export async function notTaken(told: Promise<unknown>): Promise<NotTaken> {
  const cause: unknown = await told.then(
    (value) => new Error(`it was taken: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (cause instanceof NotTaken) return cause;
  throw cause;
}
