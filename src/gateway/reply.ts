/**
 * What goes back over HTTP: a reply as a value, and the one place that writes it. Handlers make replies, expected
 * failures become them through `refusal`, and nothing a caller sent comes back unbounded.
 */
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import * as Data from "effect/Data";
import type { ExpectedError } from "../errors.ts";
import { STATUS_CODES } from "../platform/node-http.ts";
import type { Refusal } from "../refusal.ts";
import { errorBody, refusalOf } from "../refusal.ts";

export type Headers = Readonly<Record<string, string>>;

export type Reply =
  | { readonly kind: "json"; readonly status: number; readonly value: unknown; readonly headers?: Headers }
  | { readonly kind: "bytes"; readonly status: number; readonly body: string | Uint8Array; readonly headers: Headers }
  /** The handler has taken the response over: a stream. */
  | { readonly kind: "taken" };

/** A refusal that only HTTP knows (405, 426): it has no place among the runtime's errors. */
export class HttpRefused extends Data.TaggedError("HttpRefused")<{
  readonly refusal: Refusal;
  readonly headers?: Headers;
}> {}

export type HttpError = ExpectedError | HttpRefused;

export const json = (value: unknown, status = 200, headers?: Headers): Reply => ({
  kind: "json",
  status,
  value,
  ...(headers && { headers }),
});

const msPerSecond = 1_000;
const noStore: Headers = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
/** RFC 9110: these have no body, and so no length. */
const bodiless: ReadonlySet<number> = new Set([204, 304]);
const jsonType = "application/json; charset=utf-8";

/** The reply of an expected failure. */
export function refusalReply(refusal: Refusal, headers: Headers = {}): Reply & { kind: "bytes" } {
  const { status, retryAfterMs } = refusal;
  return {
    kind: "bytes",
    status,
    body: errorBody(refusal),
    headers: {
      "content-type": jsonType,
      ...(retryAfterMs !== undefined && { "retry-after": String(Math.max(1, Math.ceil(retryAfterMs / msPerSecond))) }),
      ...(status === 401 && { "www-authenticate": "Bearer" }),
      ...headers,
    },
  };
}

export function errorReply(error: HttpError): Reply & { kind: "bytes" } {
  return error._tag === "HttpRefused" ? refusalReply(error.refusal, error.headers) : refusalReply(refusalOf(error));
}

export const statusOf = (reply: Reply): number => (reply.kind === "taken" ? 200 : reply.status);

/** Writes a reply; a response whose client has gone takes nothing. */
export function sendReply(response: ServerResponse, reply: Reply): void {
  if (reply.kind === "taken" || response.headersSent || response.destroyed) return;
  const body = reply.kind === "json" ? JSON.stringify(reply.value) : reply.body;
  const type = reply.kind === "json" ? { "content-type": jsonType } : undefined;
  response.writeHead(reply.status, {
    ...noStore,
    ...type,
    ...reply.headers,
    ...(!bodiless.has(reply.status) && { "content-length": Buffer.byteLength(body) }),
  });
  response.end(body);
}

/** Answers an upgrade that is not taken, on the bare socket, and ends it. */
export function sendRawReply(socket: Duplex, reply: Reply & { kind: "bytes" }): void {
  const headers = {
    ...noStore,
    ...reply.headers,
    connection: "close",
    "content-length": Buffer.byteLength(reply.body),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ""}\r\n${lines.join("")}\r\n${String(reply.body)}`,
  );
}
