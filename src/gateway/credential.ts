/**
 * Who a request comes from: its credential, taken from where the contract allows one and from nowhere else. A token
 * in the URL is refused, because URLs are written down everywhere (LESSONS 23, 43).
 */
import type { IncomingMessage } from "node:http";
import * as Effect from "effect/Effect";
import { bearerSubprotocolPrefix } from "../../protocol/frames.ts";
import type { Principal, PublisherPrincipal, Right, UserPrincipal } from "../auth/principal.ts";
import type { NotAccepting } from "../errors.ts";
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

/** Whoever the header names: a publisher by API key, or a user by token. Fails: `Unauthenticated` without one. */
export const principalOf = Effect.fnUntraced(function* (desk: Desk, request: IncomingMessage) {
  const value = yield* bearer(request);
  if (value === undefined)
    return yield* new Unauthenticated({ message: "no credential: send `Authorization: Bearer`" });
  const principal: Principal = desk.apiKeys.find(value) ?? (yield* desk.authenticator.authenticate(value));
  desk.pending.leave(request.socket);
  return principal;
});

/** A publisher with this right. */
export function publisherOf(
  desk: Desk,
  request: IncomingMessage,
  right: Right,
): Effect.Effect<PublisherPrincipal, NoPrincipal | Forbidden> {
  return Effect.flatMap(principalOf(desk, request), (principal) =>
    principal.kind === "publisher" && principal.rights.includes(right)
      ? Effect.succeed(principal)
      : Effect.fail(new Forbidden({ message: `this call needs an API key with the right \`${right}\`` })),
  );
}

/** The user of a token. */
export function userOf(desk: Desk, request: IncomingMessage): Effect.Effect<UserPrincipal, NoPrincipal | Forbidden> {
  return Effect.flatMap(principalOf(desk, request), (principal) =>
    principal.kind === "user"
      ? Effect.succeed(principal)
      : Effect.fail(new Forbidden({ message: "this call needs a user's token" })),
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
      : Effect.fail(new Forbidden({ message: `this call needs the owner's token or the right \`${right}\`` })),
  );
}

/**
 * The user who opens a stream, or undefined when only `hello` will tell. A ticket is consumed, so this comes last.
 *
 * Fails: `Unauthenticated` for whatever does not hold; an API key names no user.
 */
export const streamUserOf = Effect.fnUntraced(function* (desk: Desk, request: IncomingMessage, query: URLSearchParams) {
  const fromProtocol = subprotocolsOf(request).find((entry) => entry.startsWith(bearerSubprotocolPrefix));
  const token = (yield* bearer(request)) ?? fromProtocol?.slice(bearerSubprotocolPrefix.length);
  const ticket = query.get("ticket");
  let user: UserPrincipal;
  if (token !== undefined) user = yield* desk.authenticator.authenticate(token);
  else if (ticket !== null) user = yield* desk.tickets.consume(ticket);
  else return undefined;
  desk.pending.leave(request.socket);
  return user;
});
