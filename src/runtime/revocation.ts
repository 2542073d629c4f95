/** What can be revoked, under which key it is kept, and whom it concerns. Pure; `revocations` keeps and applies it. */
import type { TenantId, UserId } from "../../protocol/ids.ts";
import type { Principal } from "../auth/principal.ts";

export type RevocationTarget =
  /** Every token of the user that was issued until then. */
  | { readonly what: "user"; readonly tenantId: TenantId; readonly userId: UserId }
  /** The tokens of one session: `sid`, else `jti`. */
  | { readonly what: "session"; readonly tenantId: TenantId; readonly sessionId: string }
  /** An API key, by its name. */
  | { readonly what: "key"; readonly key: string };

export type Revocation = RevocationTarget & {
  /** ISO 8601. */
  readonly at: string;
  /** As in `key:ops`. */
  readonly by: string;
  readonly reason?: string | undefined;
};

const join = (what: string, tenantId: TenantId, name: string): string =>
  `${what}:${tenantId.length}:${tenantId}:${name}`;

/** Injective: whatever stands in the ids, no two targets have one key. */
export function targetKey(target: RevocationTarget): string {
  switch (target.what) {
    case "user":
      return join("user", target.tenantId, target.userId);
    case "session":
      return join("session", target.tenantId, target.sessionId);
    case "key":
      return `key:${target.key}`;
  }
}

/** The keys under which a revocation of this caller would stand. */
export function keysOf(principal: Principal): readonly string[] {
  if (principal.kind === "publisher") return [targetKey({ what: "key", key: principal.name })];
  const { tenantId, userId, sessionId } = principal;
  const user = targetKey({ what: "user", tenantId, userId });
  return sessionId === undefined ? [user] : [user, targetKey({ what: "session", tenantId, sessionId })];
}

/** Whether what is live of this caller goes: whenever its token was issued. */
export const concerns = (target: RevocationTarget, principal: Principal): boolean =>
  keysOf(principal).includes(targetKey(target));

/** Whether a credential of a caller whom it concerns is refused: a token that was issued later is not. */
export function refusedBy(revocation: Revocation, principal: Principal): boolean {
  if (revocation.what !== "user" || principal.kind !== "user") return true;
  // A token that does not say when it was issued may be an old one.
  return principal.issuedAtMs === undefined || principal.issuedAtMs <= Date.parse(revocation.at);
}
