/** Reads: users see what is theirs, admins name whose. The runtime's gate decides; here only the request is read. */
import * as Effect from "effect/Effect";
import { publisherOf, userOrPublisherOf } from "../credential.ts";
import { limitOf, pageOf, runIdOf, runIdOfQuery, tenantOf, whoseOf } from "../parameters.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const ledger = Effect.fnUntraced(function* ({ desk, request, query }: Call) {
  const caller = yield* publisherOf(desk, request, "admin");
  return json(yield* desk.runtime.ledger(caller, yield* whoseOf(query)));
});

const deadLetters = Effect.fnUntraced(function* ({ desk, request, query }: Call) {
  const caller = yield* publisherOf(desk, request, "admin");
  const whose = yield* whoseOf(query);
  const runId = yield* runIdOfQuery(query);
  const limit = yield* limitOf(query);
  const before = query.get("after") ?? undefined;
  return json(yield* desk.runtime.deadLetters(caller, whose, { runId, before, limit }));
});

const runs = Effect.fnUntraced(function* ({ desk, request, query }: Call) {
  const caller = yield* userOrPublisherOf(desk, request, "admin");
  const whose = yield* whoseOf(query);
  const limit = yield* limitOf(query);
  const before = query.get("after");
  return json(yield* desk.runtime.runs(caller, whose, { limit, ...(before !== null && { before }) }));
});

const run = Effect.fnUntraced(function* (call: Call) {
  const caller = yield* userOrPublisherOf(call.desk, call.request, "admin");
  return json(yield* call.desk.runtime.run(caller, yield* tenantOf(call), yield* runIdOf(call)));
});

const runEvents = Effect.fnUntraced(function* (call: Call) {
  const { desk, request, query } = call;
  const caller = yield* userOrPublisherOf(desk, request, "admin");
  const tenantId = yield* tenantOf(call);
  return json(yield* desk.runtime.runEvents(caller, tenantId, yield* runIdOf(call), yield* pageOf(query)));
});

const events = Effect.fnUntraced(function* ({ desk, request, query }: Call) {
  const caller = yield* userOrPublisherOf(desk, request, "admin");
  return json(yield* desk.runtime.events(caller, yield* whoseOf(query), yield* pageOf(query)));
});

export const readRoutes: readonly Route[] = [
  { method: "GET", path: "/v1/ledger", answer: ledger },
  { method: "GET", path: "/v1/deadletters", answer: deadLetters },
  { method: "GET", path: "/v1/runs", answer: runs },
  { method: "GET", path: "/v1/runs/:runId", answer: run },
  { method: "GET", path: "/v1/runs/:runId/events", answer: runEvents },
  { method: "GET", path: "/v1/events", answer: events },
];
