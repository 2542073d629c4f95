/** Notices: events of a user that belong to no run, answered with counted receipts. */
import * as Effect from "effect/Effect";
import { decodeBody } from "../../../protocol/codec.ts";
import { noticeSchema } from "../../../protocol/http.ts";
import { readBody } from "../body.ts";
import { publisherOf } from "../credential.ts";
import { tenantOf } from "../parameters.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const notify = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* publisherOf(desk, request, "publish");
  const body = yield* readBody(request, (text) => decodeBody(noticeSchema, text));
  const tenantId = body.tenantId ?? (yield* tenantOf(call));
  return json(yield* desk.runtime.notify(caller, tenantId === undefined ? body : { ...body, tenantId }));
});

export const noticeRoutes: readonly Route[] = [{ method: "POST", path: "/v1/notices", answer: notify }];
