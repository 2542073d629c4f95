/** Makes a user's token with the shared secret: for `runcast token` and for dev mode. Production issuers are elsewhere. */
import { createSecretKey } from "node:crypto";
import { SignJWT } from "jose";
import type { TenantId, UserId } from "../../protocol/ids.ts";
import type { Clock } from "../platform/clock.ts";

export interface TokenRequest {
  readonly secret: string;
  readonly userId: UserId;
  readonly tenantId: TenantId;
  readonly ttlMs: number;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly clock: Clock;
}

const msPerSecond = 1_000;

/** A signed JWT (HS256) with `sub`, `tid`, `iat` and `exp`. */
export function signToken(request: TokenRequest): Promise<string> {
  const { clock, issuer, audience, tenantId, userId, ttlMs } = request;
  const nowMs = clock.now();
  const token = new SignJWT({ tid: tenantId })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(userId)
    .setIssuedAt(Math.floor(nowMs / msPerSecond))
    .setExpirationTime(Math.ceil((nowMs + ttlMs) / msPerSecond));
  if (issuer !== undefined) token.setIssuer(issuer);
  if (audience !== undefined) token.setAudience(audience);
  return token.sign(createSecretKey(request.secret, "utf8"));
}
