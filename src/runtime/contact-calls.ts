/** The calls of users on their push subscriptions and of publishers on their users' addresses, behind the gate. */
import type { ContactAnswer, PushKeyAnswer } from "../../protocol/contacts.ts";
import type { TenantId, UserId } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import { NotFound } from "../errors.ts";
import { answer } from "./answer.ts";
import type { ContactBook } from "./contact-book.ts";
import { requireRight, tenantOf } from "./gate.ts";
import type { RuntimeService } from "./runtime.ts";

/** `publicKey`: undefined where nobody is told by Web Push. */
export function contactCalls(
  book: ContactBook,
  publicKey: string | undefined,
): Pick<RuntimeService, "pushKey" | "subscribe" | "unsubscribe" | "putContact"> {
  function pushKey(): PushKeyAnswer {
    if (publicKey === undefined) throw new NotFound({ what: "push key" });
    return { publicKey };
  }
  return {
    pushKey: () => answer(pushKey),
    subscribe: ({ tenantId, userId }, subscription) =>
      answer(async () => {
        pushKey();
        return { subscriptions: await book.subscribe(streamKey(tenantId, userId), subscription) };
      }),
    unsubscribe: ({ tenantId, userId }, { endpoint }) =>
      answer(() => book.unsubscribe(streamKey(tenantId, userId), endpoint)),
    putContact: (caller, { userId, tenantId: named, ...addresses }) =>
      answer(async () => {
        requireRight(caller, "publish");
        const tenantId = tenantOf(caller, named as TenantId | undefined);
        await book.put(streamKey(tenantId, userId as UserId), addresses);
        const { email, phone, subscriptions } = await book.find(tenantId, userId as UserId);
        const known: ContactAnswer = {
          ...(email !== undefined && { email }),
          ...(phone !== undefined && { phone }),
          subscriptions: subscriptions.length,
        };
        return known;
      }),
  };
}
