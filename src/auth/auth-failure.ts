/** Why somebody was not let in, in one word: what the audit log says. The answer to the caller never tells more than it must. */
import type { ExpectedError } from "../errors.ts";

export type AuthFailureReason =
  | "no_credential"
  | "not_accepted"
  | "expired"
  | "revoked"
  /** Unknown, used or too old. */
  | "ticket"
  /** A token in the URL. */
  | "url_token"
  /** A good token, but of another user than the connection's. */
  | "foreign"
  | "origin"
  /** A good credential that may not do this. */
  | "forbidden"
  /** Nobody could say whether it holds. */
  | "unavailable"
  | "no_hello"
  | "no_confirm";

/** Those that a guess or a stolen credential makes; the others happen to honest clients. */
const suspect: ReadonlySet<AuthFailureReason> = new Set(["not_accepted", "revoked", "ticket", "url_token", "foreign"]);

export const isSuspect = (reason: AuthFailureReason): boolean => suspect.has(reason);

/** The reason of a failure; undefined: it has nothing to do with who somebody is. */
export function reasonOf(error: ExpectedError): AuthFailureReason | undefined {
  if (error._tag === "Unauthenticated") return error.reason ?? "not_accepted";
  if (error._tag === "Forbidden") return error.reason ?? "forbidden";
  return error._tag === "NotAccepting" ? "unavailable" : undefined;
}
