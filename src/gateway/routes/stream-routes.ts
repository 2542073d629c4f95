/** What belongs to a user's stream over HTTP: SSE, the acks beside it, tickets, and a hint for who missed the upgrade. */
import * as Effect from "effect/Effect";
import { decodeBody } from "../../../protocol/codec.ts";
import { ackSchema, emptySchema } from "../../../protocol/http.ts";
import { asConnectionId } from "../../../protocol/ids.ts";
import { readBody } from "../body.ts";
import { userOf } from "../credential.ts";
import { upgradeRequired } from "../failure.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";
import { openSse } from "../sse.ts";

const ack = Effect.fnUntraced(function* ({ desk, request }: Call) {
  const caller = yield* userOf(desk, request);
  const body = yield* readBody(request, (text) => decodeBody(ackSchema, text));
  yield* desk.runtime.ack(caller, asConnectionId(body.connectionId), body.offset);
  return json({});
});

const ticket = Effect.fnUntraced(function* ({ desk, request }: Call) {
  const caller = yield* userOf(desk, request);
  yield* readBody(request, (text) => decodeBody(emptySchema, text));
  const issued = yield* desk.tickets.issue(caller);
  return json({ ticket: issued.ticket, expiresAt: new Date(issued.expiresAtMs).toISOString() });
});

export const streamRoutes: readonly Route[] = [
  { method: "GET", path: "/v1/stream", answer: openSse },
  { method: "POST", path: "/v1/ack", answer: ack },
  { method: "POST", path: "/v1/tickets", answer: ticket },
  {
    method: "GET",
    path: "/v1/ws",
    answer: () => Effect.fail(upgradeRequired("this is a WebSocket endpoint: upgrade the connection")),
  },
];
