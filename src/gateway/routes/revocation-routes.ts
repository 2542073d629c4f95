/** Who may not come in any more, for admins: revoke, see what stands, lift. */
import * as Effect from "effect/Effect";
import { decodeBody } from "../../../protocol/codec.ts";
import { liftSchema, revokeSchema } from "../../../protocol/access.ts";
import { readBody } from "../body.ts";
import { publisherOf } from "../credential.ts";
import { limitOf } from "../parameters.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const revoke = Effect.fnUntraced(function* ({ desk, request }: Call) {
  const caller = yield* publisherOf(desk, request, "admin");
  const body = yield* readBody(request, (text) => decodeBody(revokeSchema, text));
  return json(yield* desk.runtime.revoke(caller, body));
});

const lift = Effect.fnUntraced(function* ({ desk, request }: Call) {
  const caller = yield* publisherOf(desk, request, "admin");
  const body = yield* readBody(request, (text) => decodeBody(liftSchema, text));
  return json(yield* desk.runtime.liftRevocation(caller, body));
});

const list = Effect.fnUntraced(function* ({ desk, request, query }: Call) {
  const caller = yield* publisherOf(desk, request, "admin");
  const page = { after: query.get("after") ?? undefined, limit: yield* limitOf(query) };
  return json(yield* desk.runtime.standingRevocations(caller, page));
});

export const revocationRoutes: readonly Route[] = [
  { method: "POST", path: "/v1/revocations", answer: revoke },
  { method: "GET", path: "/v1/revocations", answer: list },
  { method: "POST", path: "/v1/revocations/lift", answer: lift },
];
