/**
 * An application's own check of a token as an authenticator: a function that names the user, in promises and plain
 * strings. It decides who a token belongs to; ids and the token's length are checked here, as for a JWT.
 */
import * as Effect from "effect/Effect";
import { defaultTenant, isTenantId, isUserId } from "../../protocol/ids.ts";
import { NotAccepting, Unauthenticated } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import { type Authenticator, maxTokenChars } from "./authenticator.ts";

/** Who a token belongs to. */
export interface TokenOwner {
  readonly userId: string;
  /** Default: the tenant `default`. */
  readonly tenantId?: string | undefined;
  /** When the client is asked for a new token. Default: an hour from now. */
  readonly expiresAt?: Date | undefined;
}

/** Undefined: nobody's token. A rejection says that it cannot be found out now: the client tries again later. */
export type TokenCheck = (token: string) => TokenOwner | undefined | Promise<TokenOwner | undefined>;

const defaultLifeMs = 3_600_000;
const retryAfterMs = 1_000;

const refuse = (why: string): Unauthenticated => new Unauthenticated({ message: `the token is not accepted: ${why}` });

/** Makes the authenticator that asks `check`. */
export function checkedBy(check: TokenCheck, clock: Clock, journal: Journal): Authenticator {
  const authenticate = Effect.fnUntraced(function* (token: string) {
    if (token.length > maxTokenChars) return yield* refuse(`it is longer than ${maxTokenChars} characters`);
    const owner = yield* Effect.tryPromise({
      try: async () => check(token),
      catch: (cause) => {
        journal.write("warn", "auth.checkFailed", { cause });
        return new NotAccepting({ retryAfterMs });
      },
    });
    if (owner === undefined) return yield* refuse("nobody owns it");
    const { userId, tenantId = defaultTenant, expiresAt } = owner;
    if (!isUserId(userId)) return yield* refuse("its owner is no user id");
    if (!isTenantId(tenantId)) return yield* refuse("its owner's tenant is no tenant id");
    const expiresAtMs = expiresAt === undefined ? clock.now() + defaultLifeMs : expiresAt.getTime();
    // An invalid Date is no end at all, and must not become an endless one.
    if (!(expiresAtMs > clock.now()))
      return yield* new Unauthenticated({ message: "the token is not accepted: it has expired", reason: "expired" });
    return { kind: "user" as const, tenantId, userId, expiresAtMs };
  });
  return { authenticate };
}
