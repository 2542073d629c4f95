/**
 * From a user's token to the user: PORT. The gateway asks it before the upgrade, the runtime for tokens in `hello`
 * and `auth` frames. `jwt` is its adapter; an application may bring its own.
 */
import type * as Effect from "effect/Effect";
import type { NotAccepting, Unauthenticated } from "../errors.ts";
import type { UserPrincipal } from "./principal.ts";

export interface Authenticator {
  /**
   * Says whose token this is.
   *
   * Fails: `Unauthenticated` when it does not hold; `NotAccepting` when that cannot be found out now.
   */
  readonly authenticate: (token: string) => Effect.Effect<UserPrincipal, Unauthenticated | NotAccepting>;
}

/** Longer tokens are refused unread. UTF-16 code units. */
export const maxTokenChars = 16_384;
