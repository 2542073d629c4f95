/** What holds now, for the operator: the alert board over HTTP. */
import * as Effect from "effect/Effect";
import { publisherOf } from "../credential.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const alerts = Effect.fnUntraced(function* ({ desk, request }: Call) {
  const caller = yield* publisherOf(desk, request, "admin");
  return json(yield* desk.runtime.alerts(caller));
});

export const alertRoutes: readonly Route[] = [{ method: "GET", path: "/v1/alerts", answer: alerts }];
