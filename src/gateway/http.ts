/**
 * One HTTP request: origin, route, handler, reply. Handlers fail with expected errors, which `refusal` turns into
 * answers; whatever else happens is a bug and goes to the journal under the id that the caller is told.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import * as Effect from "effect/Effect";
import { NotFound } from "../errors.ts";
import { attemptOf, noteFailure, refuseUrlToken } from "./credential.ts";
import type { Desk } from "./desk.ts";
import { failureReply, wrongMethod } from "./failure.ts";
import type { Headers, HttpError, Reply } from "./reply.ts";
import { sendReply, statusOf } from "./reply.ts";
import type { Route } from "./route.ts";
import { Router } from "./router.ts";
import { alertRoutes } from "./routes/alert-routes.ts";
import { approvalRoutes } from "./routes/approval-routes.ts";
import { auditRoutes } from "./routes/audit-routes.ts";
import { breakerRoutes } from "./routes/breaker-routes.ts";
import { contactRoutes } from "./routes/contact-routes.ts";
import { devRoutes } from "./routes/dev-routes.ts";
import { flagRoutes } from "./routes/flag-routes.ts";
import { noticeRoutes } from "./routes/notice-routes.ts";
import { processRoutes } from "./routes/process-routes.ts";
import { readRoutes } from "./routes/read-routes.ts";
import { revocationRoutes } from "./routes/revocation-routes.ts";
import { runRoutes } from "./routes/run-routes.ts";
import { streamRoutes } from "./routes/stream-routes.ts";

const apiRoutes: readonly Route[] = [
  ...runRoutes,
  ...approvalRoutes,
  ...noticeRoutes,
  ...breakerRoutes,
  ...flagRoutes,
  ...readRoutes,
  ...streamRoutes,
  ...contactRoutes,
  ...auditRoutes,
  ...alertRoutes,
  ...revocationRoutes,
];
const router = new Router([...apiRoutes, ...processRoutes, ...devRoutes]);
const noContent = 204;

/** Path and query of a request target; the query is parsed only when there is one. */
export function targetOf(request: IncomingMessage): { readonly path: string; readonly query: URLSearchParams } {
  const url = request.url ?? "/";
  const mark = url.indexOf("?");
  return mark === -1
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) };
}

export const isApiPath = (path: string): boolean => path === "/v1" || path.startsWith("/v1/");

/** Answers one request. */
export function handleRequest(desk: Desk, request: IncomingMessage, response: ServerResponse): void {
  const startedAt = desk.clock.mono();
  const { path, query } = targetOf(request);
  // Who keeps connections for later, as proxies do, must not keep one to a server that goes.
  if (desk.runtime.state() !== "accepting") response.shouldKeepAlive = false;
  const { effect, name } = replyTo(desk, request, response, path, query);
  Effect.runCallback(effect, {
    onExit: (exit) => {
      const reply = exit._tag === "Success" ? exit.value : failureReply(desk, exit, name, request);
      const cors = isApiPath(path) ? desk.origins.headers(request) : undefined;
      sendReply(response, withHeaders(reply, cors));
      desk.countAnswer(statusOf(reply));
      desk.journal.write("debug", "http.answered", {
        method: request.method,
        route: name,
        status: statusOf(reply),
        ms: Math.round(desk.clock.mono() - startedAt),
      });
    },
  });
}

function withHeaders(reply: Reply, headers: Headers | undefined): Reply {
  return headers === undefined || reply.kind === "taken"
    ? reply
    : { ...reply, headers: { ...reply.headers, ...headers } };
}

interface Plan {
  readonly effect: Effect.Effect<Reply, HttpError>;
  /** Of the route, for the journal: the raw path may hold what nobody should read. */
  readonly name: string;
}

function replyTo(
  desk: Desk,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  query: URLSearchParams,
): Plan {
  const method = request.method ?? "GET";
  const isApi = isApiPath(path);
  const refused = isApi ? (desk.origins.refuse(request) ?? refuseUrlToken(query)) : undefined;
  if (refused !== undefined) {
    noteFailure(desk, attemptOf("http", request), refused);
    return { effect: Effect.fail(refused), name: refused._tag };
  }
  if (isApi && method === "OPTIONS")
    return {
      effect: Effect.succeed({ kind: "bytes", status: noContent, body: "", headers: desk.origins.preflight(request) }),
      name: "preflight",
    };
  // HEAD is GET without the body, which Node leaves out; a stream has no such thing.
  const asMethod = method === "HEAD" && !isApi ? "GET" : method;
  const found = router.find(asMethod, path);
  if (found.kind === "route")
    return {
      effect: Effect.suspend(() => found.answer({ desk, request, response, query, params: found.params })),
      name: `${found.route.method} ${found.route.path}`,
    };
  if (found.kind === "wrong_method") return { effect: Effect.fail(wrongMethod(method, found.allow)), name: "405" };
  const page = asMethod === "GET" ? desk.console?.reply(path, request) : undefined;
  if (page) return { effect: Effect.succeed(page), name: "page" };
  return { effect: Effect.fail(new NotFound({ what: "route" })), name: "404" };
}
