/**
 * Who a request comes from: its credential, taken from where the contract allows one and from nowhere else. A token
 * in the URL is refused, because URLs are written down everywhere (LESSONS 23, 43).
 */
import type { IncomingMessage } from "node:http";
import * as Effect from "effect/Effect";
import { bearerSubprotocolPrefix } from "../../protocol/frames.ts";
import type { AuthAttempt } from "../auth/auth-events.ts";
import { reasonOf } from "../auth/auth-failure.ts";
import type { Principal, PublisherPrincipal, Right, UserPrincipal } from "../auth/principal.ts";
import type { ExpectedError, NotAccepting } from "../errors.ts";
import { Forbidden, Unauthenticated } from "../errors.ts";
import type { Desk } from "./desk.ts";

type NoPrincipal = Unauthenticated | NotAccepting;

const tokenParameters: ReadonlySet<string> = new Set([
  "token",
  "access_token",
  "accesstoken",
  "id_token",
  "auth_token",
  "jwt",
  "bearer",
  "auth",
  "authorization",
  "api_key",
  "apikey",
]);

/** Why the URL is refused, or undefined. */
export function refuseUrlToken(query: URLSearchParams): Unauthenticated | undefined {
  for (const name of query.keys()) {
    if (tokenParameters.has(name.toLowerCase()))
      return new Unauthenticated({
        message: "a token in the URL is refused: use the Authorization header, the subprotocol, hello or a ticket",
        reason: "url_token",
      });
  }
  return undefined;
}

/** The value of `Authorization: Bearer`, or undefined without the header. */
function bearer(request: IncomingMessage): Effect.Effect<string | undefined, Unauthenticated> {
  const { authorization } = request.headers;
  if (authorization === undefined) return Effect.succeed(undefined);
  const value = /^bearer +(\S+)$/i.exec(authorization.trim())?.[1];
  return value === undefined
    ? Effect.fail(new Unauthenticated({ message: "the Authorization header must be `Bearer` and a token" }))
    : Effect.succeed(value);
}

/** The entries of `Sec-WebSocket-Protocol`. */
export function subprotocolsOf(request: IncomingMessage): readonly string[] {
  const offered = request.headers["sec-websocket-protocol"];
  return offered === undefined ? [] : offered.split(",").map((entry) => entry.trim());
}

const noCredential = (message: string) => new Unauthenticated({ message, reason: "no_credential" });

/** What a request is to the audit log. */
export const attemptOf = (via: AuthAttempt["via"], request: IncomingMessage): AuthAttempt => ({
  via,
  address: request.socket.remoteAddress,
});

/** Writes down that somebody was not let in. */
export function noteFailure(desk: Desk, attempt: AuthAttempt, error: ExpectedError, who?: Principal): void {
  const reason = reasonOf(error);
  if (reason !== undefined) desk.runtime.authEvents.failed(attempt, reason, who?.kind === "user" ? who : undefined);
}

/** Who the calls under way come from. */
const callers = new WeakMap<IncomingMessage, { readonly desk: Desk; readonly principal: Principal }>();

/** Fails: `Unauthenticated`, when a caller was revoked while its body was on the way. */
export function stillStands(request: IncomingMessage): Effect.Effect<void, Unauthenticated> {
  const caller = callers.get(request);
  return caller !== undefined && caller.desk.runtime.revocations.refuses(caller.principal)
    ? Effect.fail(revoked())
    : Effect.void;
}

const revoked = () => new Unauthenticated({ message: "the credential was revoked", reason: "revoked" });

/** Nobody who was revoked. */
function standing<Who extends Principal>(desk: Desk, principal: Who): Effect.Effect<Who, Unauthenticated> {
  return desk.runtime.revocations.refuses(principal) ? Effect.fail(revoked()) : Effect.succeed(principal);
}

const callerOf = Effect.fnUntraced(function* (desk: Desk, request: IncomingMessage) {
  const value = yield* bearer(request);
  if (value === undefined) return yield* noCredential("no credential: send `Authorization: Bearer`");
  const named: Principal = desk.apiKeys.find(value) ?? (yield* desk.authenticator.authenticate(value));
  const principal = yield* standing(desk, named);
  callers.set(request, { desk, principal });
  desk.pending.leave(request.socket);
  return principal;
});

/** Whoever the header names: a publisher by API key, or a user by token. Fails: `Unauthenticated` without one. */
export function principalOf(desk: Desk, request: IncomingMessage): Effect.Effect<Principal, NoPrincipal> {
  return Effect.tapError(callerOf(desk, request), (error) =>
    Effect.sync(() => noteFailure(desk, attemptOf("http", request), error)),
  );
}

/** A good credential that may not do this. */
function forbidden(
  desk: Desk,
  request: IncomingMessage,
  who: Principal,
  message: string,
): Effect.Effect<never, Forbidden> {
  return Effect.suspend(() => {
    const error = new Forbidden({ message });
    noteFailure(desk, attemptOf("http", request), error, who);
    return Effect.fail(error);
  });
}

/** A publisher with this right. */
export function publisherOf(
  desk: Desk,
  request: IncomingMessage,
  right: Right,
): Effect.Effect<PublisherPrincipal, NoPrincipal | Forbidden> {
  return Effect.flatMap(principalOf(desk, request), (principal) =>
    principal.kind === "publisher" && principal.rights.includes(right)
      ? Effect.succeed(principal)
      : forbidden(desk, request, principal, `this call needs an API key with the right \`${right}\``),
  );
}

/** The user of a token. */
export function userOf(desk: Desk, request: IncomingMessage): Effect.Effect<UserPrincipal, NoPrincipal | Forbidden> {
  return Effect.flatMap(principalOf(desk, request), (principal) =>
    principal.kind === "user"
      ? Effect.succeed(principal)
      : forbidden(desk, request, principal, "this call needs a user's token"),
  );
}

/** A user, or a publisher with this right: who may do it for users. */
export function userOrPublisherOf(
  desk: Desk,
  request: IncomingMessage,
  right: Right,
): Effect.Effect<Principal, NoPrincipal | Forbidden> {
  return Effect.flatMap(principalOf(desk, request), (principal) =>
    principal.kind === "user" || principal.rights.includes(right)
      ? Effect.succeed(principal)
      : forbidden(desk, request, principal, `this call needs the owner's token or the right \`${right}\``),
  );
}

const openerOf = Effect.fnUntraced(function* (
  desk: Desk,
  request: IncomingMessage,
  query: URLSearchParams,
  attempt: AuthAttempt,
) {
  const fromProtocol = subprotocolsOf(request).find((entry) => entry.startsWith(bearerSubprotocolPrefix));
  const token = (yield* bearer(request)) ?? fromProtocol?.slice(bearerSubprotocolPrefix.length);
  const ticket = query.get("ticket");
  if (token === undefined && ticket === null) {
    if (attempt.via === "sse") return yield* noCredential("no credential: send `Authorization: Bearer`, or a ticket");
    return undefined;
  }
  desk.runtime.authEvents.validating(attempt);
  const named = token === undefined ? desk.tickets.consume(ticket ?? "") : desk.authenticator.authenticate(token);
  const user = yield* standing(desk, yield* named);
  desk.pending.leave(request.socket);
  return user;
});

/**
 * The user who opens a stream, or undefined when only `hello` will tell. A ticket is consumed, so this comes last.
 *
 * Fails: `Unauthenticated` for whatever does not hold; an API key names no user.
 */
export function streamUserOf(
  desk: Desk,
  request: IncomingMessage,
  query: URLSearchParams,
  via: "websocket" | "sse",
): Effect.Effect<UserPrincipal | undefined, NoPrincipal> {
  return Effect.suspend(() => {
    const attempt = attemptOf(via, request);
    desk.runtime.authEvents.started(attempt);
    return Effect.tapError(openerOf(desk, request, query, attempt), (error) =>
      Effect.sync(() => noteFailure(desk, attempt, error)),
    );
  });
}
