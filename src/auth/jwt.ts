/**
 * JSON Web Tokens by jose: an explicit list of algorithms per kind of key, so that no token chooses its own
 * verification. `exp` and `sub` are required; `tid` names the tenant. What is refused is never told in detail.
 */
import { createSecretKey } from "node:crypto";
import * as Effect from "effect/Effect";
import type { JWTPayload, JWTVerifyOptions } from "jose";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import { defaultTenant, isTenantId, isUserId } from "../../protocol/ids.ts";
import { InvalidConfig, NotAccepting, Unauthenticated } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Authenticator } from "./authenticator.ts";
import { maxTokenChars } from "./authenticator.ts";
import type { UserPrincipal } from "./principal.ts";

export type JwtKey =
  /** A shared secret for HS256. */
  | { readonly kind: "secret"; readonly secret: string }
  /** Public keys at a URL, for RS256, PS256, ES256 and EdDSA. */
  | { readonly kind: "jwks"; readonly url: string };

export interface JwtOptions {
  readonly key: JwtKey;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly clock: Clock;
}

/** HS256 is as strong as its secret: RFC 7518 §3.2 asks for as many bits as the hash has. */
export const minSecretBytes = 32;
/** Issuers' clocks run ahead a little: for `nbf`. */
const clockToleranceSeconds = 5;
/** The last second that ISO 8601 writes with four digits of year. */
const maxExpSeconds = 253_402_300_799;
const jwksTimeoutMs = 4_000;
const jwksRetryAfterMs = 2_000;
const compactJws = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

const refuse = (why: string) => new Unauthenticated({ message: `the token is not accepted: ${why}` });
const expired = () => new Unauthenticated({ message: "the token is not accepted: it has expired", reason: "expired" });

/** The verifier of a key. */
type Verify = (token: string, options: JWTVerifyOptions) => ReturnType<typeof jwtVerify>;

function verifierOf(key: JwtKey): Verify {
  if (key.kind === "secret") {
    const secret = createSecretKey(key.secret, "utf8");
    return (token, options) => jwtVerify(token, secret, { ...options, algorithms: ["HS256"] });
  }
  const keys = createRemoteJWKSet(new URL(key.url), { timeoutDuration: jwksTimeoutMs });
  return (token, options) => jwtVerify(token, keys, { ...options, algorithms: ["RS256", "PS256", "ES256", "EdDSA"] });
}

/** The key set, and not the token, is at fault: it cannot be fetched or read. */
function isKeySetFailure(cause: unknown): boolean {
  if (!(cause instanceof errors.JOSEError)) return true;
  return (
    cause instanceof errors.JWKSTimeout ||
    cause instanceof errors.JWKSInvalid ||
    // Jose's word for "the answer is not 200 and JSON".
    cause.code === errors.JOSEError.code
  );
}

/** What jose threw, as one of our failures. */
function failureOf(cause: unknown, kind: JwtKey["kind"]): Unauthenticated | NotAccepting {
  if (cause instanceof errors.JWTExpired) return expired();
  if (kind === "jwks" && isKeySetFailure(cause)) return new NotAccepting({ retryAfterMs: jwksRetryAfterMs });
  return refuse("its signature or its claims do not hold");
}

function principalOf(claims: JWTPayload, nowMs: number): Effect.Effect<UserPrincipal, Unauthenticated> {
  const { sub, exp } = claims;
  const tid = claims["tid"];
  if (exp === undefined || !Number.isSafeInteger(exp) || exp > maxExpSeconds)
    return Effect.fail(refuse("`exp` must be a whole number of seconds"));
  const expiresAtMs = exp * 1_000;
  if (expiresAtMs <= nowMs) return Effect.fail(expired());
  if (!isUserId(sub)) return Effect.fail(refuse("`sub` must be a user id"));
  const tenantId = Object.hasOwn(claims, "tid") ? tid : defaultTenant;
  if (!isTenantId(tenantId)) return Effect.fail(refuse("`tid` must be a tenant id"));
  const { iat, jti } = claims;
  return Effect.succeed({
    kind: "user",
    tenantId,
    userId: sub,
    expiresAtMs,
    tier: textClaim(claims["tier"]),
    sessionId: textClaim(claims["sid"]) ?? textClaim(jti),
    issuedAtMs: typeof iat === "number" && Number.isSafeInteger(iat) ? iat * 1_000 : undefined,
  });
}

const maxClaimChars = 256;
/** A claim that is no such text says nothing. */
const textClaim = (claim: unknown): string | undefined =>
  typeof claim === "string" && claim !== "" && claim.length <= maxClaimChars ? claim : undefined;

/** A secret that is long enough, or an error that names the setting. */
export function checkSecret(secret: string, setting: string): Effect.Effect<string, InvalidConfig> {
  const bytes = Buffer.byteLength(secret, "utf8");
  return bytes >= minSecretBytes
    ? Effect.succeed(secret)
    : Effect.fail(
        new InvalidConfig({
          setting,
          message: `is ${bytes} bytes long; HS256 needs at least ${minSecretBytes} (try: openssl rand -base64 48)`,
        }),
      );
}

/**
 * Makes the authenticator of a key.
 *
 * Fails: `InvalidConfig` for a secret that is too short.
 */
export const jwtAuthenticator = Effect.fnUntraced(function* (options: JwtOptions) {
  const { key, clock, issuer, audience } = options;
  if (key.kind === "secret") yield* checkSecret(key.secret, "RUNCAST_JWT_SECRET");
  const verify = verifierOf(key);
  const authenticate = Effect.fnUntraced(function* (token: string) {
    if (token.length > maxTokenChars) return yield* refuse(`it is longer than ${maxTokenChars} characters`);
    if (!compactJws.test(token)) return yield* refuse("it is not a JWT");
    const nowMs = clock.now();
    const verified = yield* Effect.tryPromise({
      try: () =>
        verify(token, {
          requiredClaims: ["exp", "sub"],
          clockTolerance: clockToleranceSeconds,
          currentDate: new Date(nowMs),
          ...(issuer === undefined ? {} : { issuer }),
          ...(audience === undefined ? {} : { audience }),
        }),
      catch: (cause) => failureOf(cause, key.kind),
    });
    // We understand no extension, so none can be critical.
    if (Object.hasOwn(verified.protectedHeader, "crit")) return yield* refuse("it has critical extensions");
    return yield* principalOf(verified.payload, nowMs);
  });
  const authenticator: Authenticator = { authenticate };
  return authenticator;
});
