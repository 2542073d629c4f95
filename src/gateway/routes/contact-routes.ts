/** Where users can be reached: their own push subscriptions, their addresses by publishers, and the outbox for operators. */
import * as Effect from "effect/Effect";
import { decodeBody } from "../../../protocol/codec.ts";
import { contactSchema, pushSubscriptionSchema, removeSubscriptionSchema } from "../../../protocol/contacts.ts";
import { outboxStates } from "../../../protocol/outbox.ts";
import { InvalidInput } from "../../errors.ts";
import { readBody } from "../body.ts";
import { publisherOf, userOf } from "../credential.ts";
import { limitOf, tenantOf, whoseOf } from "../parameters.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const created = 201;

const pushKey = ({ desk }: Call) => Effect.map(desk.runtime.pushKey(), (answer) => json(answer));

const subscribe = Effect.fnUntraced(function* ({ desk, request }: Call) {
  const caller = yield* userOf(desk, request);
  const body = yield* readBody(request, (text) => decodeBody(pushSubscriptionSchema, text));
  return json(yield* desk.runtime.subscribe(caller, body), created);
});

const unsubscribe = Effect.fnUntraced(function* ({ desk, request }: Call) {
  const caller = yield* userOf(desk, request);
  const body = yield* readBody(request, (text) => decodeBody(removeSubscriptionSchema, text));
  yield* desk.runtime.unsubscribe(caller, body);
  return json({});
});

const putContact = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* publisherOf(desk, request, "publish");
  const body = yield* readBody(request, (text) => decodeBody(contactSchema, text));
  const tenantId = body.tenantId ?? (yield* tenantOf(call));
  return json(yield* desk.runtime.putContact(caller, tenantId === undefined ? body : { ...body, tenantId }));
});

const outbox = Effect.fnUntraced(function* ({ desk, request, query }: Call) {
  const caller = yield* publisherOf(desk, request, "admin");
  const whose = yield* whoseOf(query);
  const limit = yield* limitOf(query);
  const named = query.get("state");
  const state = outboxStates.find((one) => one === named);
  if (named !== null && state === undefined)
    return yield* new InvalidInput({ code: "invalid", path: "state", message: `must be ${outboxStates.join(", ")}` });
  const after = query.get("after") ?? undefined;
  return json(yield* desk.runtime.outbox(caller, whose, { state, after, limit }));
});

export const contactRoutes: readonly Route[] = [
  { method: "GET", path: "/v1/push/key", answer: pushKey },
  { method: "POST", path: "/v1/push/subscriptions", answer: subscribe },
  { method: "POST", path: "/v1/push/subscriptions/remove", answer: unsubscribe },
  { method: "PUT", path: "/v1/contacts", answer: putContact },
  { method: "GET", path: "/v1/outbox", answer: outbox },
];
