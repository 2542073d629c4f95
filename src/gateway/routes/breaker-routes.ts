/** The breakers of the process over HTTP: what state they are in, and the operator's hand that closes one. */
import * as Effect from "effect/Effect";
import { decodeBody } from "../../../protocol/codec.ts";
import { emptySchema } from "../../../protocol/http.ts";
import { readBody } from "../body.ts";
import { publisherOf } from "../credential.ts";
import { nameOf } from "../parameters.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const breakers = Effect.fnUntraced(function* ({ desk, request }: Call) {
  return json(yield* desk.runtime.breakers(yield* publisherOf(desk, request, "admin")));
});

const reset = Effect.fnUntraced(function* (call: Call) {
  const caller = yield* publisherOf(call.desk, call.request, "admin");
  const name = yield* nameOf(call, "name");
  yield* readBody(call.request, (text) => decodeBody(emptySchema, text));
  return json(yield* call.desk.runtime.resetBreaker(caller, name));
});

export const breakerRoutes: readonly Route[] = [
  { method: "GET", path: "/v1/breakers", answer: breakers },
  { method: "POST", path: "/v1/breakers/:name/reset", answer: reset },
];
