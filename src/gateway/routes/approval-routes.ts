/** The answer of a human to a run that waits for one. The first answer wins. */
import * as Effect from "effect/Effect";
import { decodeBody } from "../../../protocol/codec.ts";
import { resolveApprovalSchema } from "../../../protocol/http.ts";
import { readBody } from "../body.ts";
import { userOrPublisherOf } from "../credential.ts";
import { nameOf, tenantOf } from "../parameters.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const resolve = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* userOrPublisherOf(desk, request, "publish");
  const approvalId = yield* nameOf(call, "approvalId");
  const tenantId = yield* tenantOf(call);
  const body = yield* readBody(request, (text) => decodeBody(resolveApprovalSchema, text));
  return json(yield* desk.runtime.resolveApproval(caller, tenantId, approvalId, body));
});

export const approvalRoutes: readonly Route[] = [
  { method: "POST", path: "/v1/approvals/:approvalId", answer: resolve },
];
