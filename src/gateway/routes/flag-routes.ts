/** Feature flags, for operators: read, changed and put back. The version is also the `ETag`, to change only what one saw. */
import * as Effect from "effect/Effect";
import { decodeBody } from "../../../protocol/codec.ts";
import type { FlagsAnswer } from "../../../protocol/flags.ts";
import { emptySchema } from "../../../protocol/http.ts";
import { bodyLimits, parseJson } from "../../../protocol/json.ts";
import { InvalidInput } from "../../errors.ts";
import { readBody } from "../body.ts";
import { publisherOf } from "../credential.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const shown = (answer: FlagsAnswer) => json(answer, 200, { etag: `"${answer.version}"` });

/** The version that `If-Match` names; without one, or with `*`, any. */
function expectedOf({ request }: Call): Effect.Effect<number | undefined, InvalidInput> {
  const text = request.headers["if-match"];
  if (text === undefined || text === "*") return Effect.succeed(undefined);
  const version = /^"?(\d{1,15})"?$/.exec(text)?.[1];
  return version === undefined
    ? Effect.fail(new InvalidInput({ code: "invalid", path: "If-Match", message: 'must be a version, as in "3"' }))
    : Effect.succeed(Number(version));
}

const flags = Effect.fnUntraced(function* ({ desk, request }: Call) {
  const caller = yield* publisherOf(desk, request, "admin");
  return shown(yield* desk.runtime.flags(caller));
});

const change = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* publisherOf(desk, request, "admin");
  const expected = yield* expectedOf(call);
  const patch = yield* readBody(request, (text) => parseJson(text, bodyLimits));
  return shown(yield* desk.runtime.setFlags(caller, patch, expected));
});

const rollBack = Effect.fnUntraced(function* (call: Call) {
  const { desk, request } = call;
  const caller = yield* publisherOf(desk, request, "admin");
  const expected = yield* expectedOf(call);
  yield* readBody(request, (text) => decodeBody(emptySchema, text));
  return shown(yield* desk.runtime.rollBackFlags(caller, expected));
});

export const flagRoutes: readonly Route[] = [
  { method: "GET", path: "/v1/flags", answer: flags },
  { method: "PATCH", path: "/v1/flags", answer: change },
  { method: "POST", path: "/v1/flags/rollback", answer: rollBack },
];
