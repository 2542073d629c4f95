/** What the audit log holds, for admins. */
import * as Effect from "effect/Effect";
import { publisherOf } from "../credential.ts";
import { pageOf, whoseOf } from "../parameters.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const audit = Effect.fnUntraced(function* ({ desk, request, query }: Call) {
  const caller = yield* publisherOf(desk, request, "admin");
  return json(yield* desk.runtime.audit(caller, yield* whoseOf(query), yield* pageOf(query)));
});

export const auditRoutes: readonly Route[] = [{ method: "GET", path: "/v1/audit", answer: audit }];
