/** Reads what stands in the path, the query and the headers; everything malformed is a 400 that names it. */
import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import * as Effect from "effect/Effect";
import { defaultPageSize, maxPageSize } from "../../protocol/http.ts";
import type { RunId, TenantId } from "../../protocol/ids.ts";
import { isName, isRunId, isTenantId, isUserId } from "../../protocol/ids.ts";
import { InvalidInput } from "../errors.ts";
import type { Page, Whose } from "../runtime/runtime.ts";
import type { Call } from "./route.ts";

const invalid = (path: string, message: string) => Effect.fail(new InvalidInput({ code: "invalid", path, message }));

/** A whole number of the query, within bounds. */
function numberOf(query: URLSearchParams, name: string, byDefault: number, min: number, max: number) {
  const text = query.get(name);
  if (text === null) return Effect.succeed(byDefault);
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max
    ? Effect.succeed(value)
    : invalid(name, `must be a whole number from ${min} to ${max}`);
}

export const limitOf = (query: URLSearchParams): Effect.Effect<number, InvalidInput> =>
  numberOf(query, "limit", defaultPageSize, 1, maxPageSize);

/** `after` and `limit` of a list of events. */
export const pageOf = Effect.fnUntraced(function* (query: URLSearchParams) {
  const page: Page = {
    after: yield* numberOf(query, "after", 0, 0, Number.MAX_SAFE_INTEGER),
    limit: yield* limitOf(query),
  };
  return page;
});

/** `userId` and `tenantId` of the query: whose things a read is about. */
export const whoseOf = Effect.fnUntraced(function* (query: URLSearchParams) {
  const userId = query.get("userId") ?? undefined;
  const tenantId = query.get("tenantId") ?? undefined;
  if (userId !== undefined && !isUserId(userId)) return yield* invalid("userId", "must be a user id");
  if (tenantId !== undefined && !isTenantId(tenantId)) return yield* invalid("tenantId", "must be a tenant id");
  const whose: Whose = { userId, tenantId };
  return whose;
});

export function runIdOf(call: Call): Effect.Effect<RunId, InvalidInput> {
  const runId = call.params[0];
  return isRunId(runId)
    ? Effect.succeed(runId)
    : invalid("runId", "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -");
}

/** `runId` of the query: what a list is narrowed to. */
export function runIdOfQuery(query: URLSearchParams): Effect.Effect<RunId | undefined, InvalidInput> {
  const runId = query.get("runId") ?? undefined;
  return runId === undefined || isRunId(runId)
    ? Effect.succeed(runId)
    : invalid("runId", "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -");
}

/** An opaque name of the path, as runners choose them. */
export function nameOf(call: Call, name: string): Effect.Effect<string, InvalidInput> {
  const [given] = call.params;
  return given !== undefined && isName(given)
    ? Effect.succeed(given)
    : invalid(name, "must be 1 to 256 characters without control characters");
}

/** Node reads header bytes as Latin-1; ours are UTF-8. */
function headerText(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  if (typeof value !== "string") return undefined;
  const bytes = Buffer.from(value, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : value;
}

/** The tenant that a publisher means, from `X-Runcast-Tenant` or `?tenantId=`; undefined: the runtime decides. */
export function tenantOf(call: Call): Effect.Effect<TenantId | undefined, InvalidInput> {
  const inHeader = headerText(call.request, "x-runcast-tenant");
  const inQuery = call.query.get("tenantId") ?? undefined;
  const tenantId = inHeader ?? inQuery;
  if (tenantId === undefined) return Effect.succeed(undefined);
  if (inHeader !== undefined && inQuery !== undefined && inHeader !== inQuery)
    return invalid("tenantId", "says something else than the X-Runcast-Tenant header");
  return isTenantId(tenantId) ? Effect.succeed(tenantId) : invalid("tenantId", "must be a tenant id");
}

const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The W3C trace context; a malformed one is no trace, not an error. */
export function traceparentOf(request: IncomingMessage): string | undefined {
  const { traceparent } = request.headers;
  return typeof traceparent === "string" && traceparentPattern.test(traceparent) ? traceparent : undefined;
}
