/** What runners say over HTTP: start, publish, keep alive, take over; and what anybody who may can stop. */
import * as Effect from "effect/Effect";
import { decodeBody, decodePublish } from "../../../protocol/codec.ts";
import { cancelSchema, claimSchema, heartbeatSchema, startRunSchema } from "../../../protocol/http.ts";
import { readBody } from "../body.ts";
import { publisherOf, userOrPublisherOf } from "../credential.ts";
import { runIdOf, tenantOf, traceparentOf } from "../parameters.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const accepted = 202;
const created = 201;

const startRun = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* publisherOf(desk, request, "publish");
  const body = yield* readBody(request, (text) => decodeBody(startRunSchema, text));
  // The body names the tenant; the header is for calls whose body does not.
  const tenantId = body.tenantId ?? (yield* tenantOf(call));
  const made = yield* desk.runtime.startRun(
    caller,
    tenantId === undefined ? body : { ...body, tenantId },
    traceparentOf(request),
  );
  return json(made.answer, made.created ? created : 200);
});

const publish = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* publisherOf(desk, request, "publish");
  const runId = yield* runIdOf(call);
  const tenantId = yield* tenantOf(call);
  const body = yield* readBody(request, decodePublish);
  return json(yield* desk.runtime.publish(caller, tenantId, runId, body, traceparentOf(request)));
});

const heartbeat = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* publisherOf(desk, request, "publish");
  const runId = yield* runIdOf(call);
  const tenantId = yield* tenantOf(call);
  const body = yield* readBody(request, (text) => decodeBody(heartbeatSchema, text));
  return json(yield* desk.runtime.heartbeat(caller, tenantId, runId, body));
});

const claim = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* publisherOf(desk, request, "publish");
  const runId = yield* runIdOf(call);
  const tenantId = yield* tenantOf(call);
  yield* readBody(request, (text) => decodeBody(claimSchema, text));
  return json(yield* desk.runtime.claim(caller, tenantId, runId));
});

const cancel = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* userOrPublisherOf(desk, request, "publish");
  const runId = yield* runIdOf(call);
  const tenantId = yield* tenantOf(call);
  const body = yield* readBody(request, (text) => decodeBody(cancelSchema, text));
  yield* desk.runtime.cancel(caller, tenantId, runId, body);
  return json({ runId }, accepted);
});

export const runRoutes: readonly Route[] = [
  { method: "POST", path: "/v1/runs", answer: startRun },
  { method: "POST", path: "/v1/runs/:runId/events", answer: publish },
  { method: "POST", path: "/v1/runs/:runId/heartbeat", answer: heartbeat },
  { method: "POST", path: "/v1/runs/:runId/claim", answer: claim },
  { method: "POST", path: "/v1/runs/:runId/cancel", answer: cancel },
];
