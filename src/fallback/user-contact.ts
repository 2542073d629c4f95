/** What a channel asks `Contacts` for, with an unreadable address book told apart from a channel that does not work. */
import type { Notice } from "./channel.ts";
import type { Contact, Contacts } from "./contacts.ts";
import { NotTaken } from "./not-taken.ts";

/** Fails: `NotTaken` with `contacts`. */
export async function contactOf({ tenantId, userId }: Notice, contacts: Contacts): Promise<Contact> {
  try {
    return await contacts.find(tenantId, userId);
  } catch {
    throw new NotTaken("contacts", "the user's contacts cannot be read now");
  }
}
