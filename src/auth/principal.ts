/** Who a caller is, once an authenticator has said so. Nothing else in the house decides identity. */
import type { TenantId, UserId } from "../../protocol/ids.ts";

export interface UserPrincipal {
  readonly kind: "user";
  readonly tenantId: TenantId;
  readonly userId: UserId;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
  /** What the credential says of its own: the tier whose limits hold. Undefined: the default tier. */
  readonly tier?: string | undefined;
  /** Names the session (`sid`, else `jti`), so that it can be revoked alone. Never shown. */
  readonly sessionId?: string | undefined;
  /** Milliseconds since 1970 (`iat`): a revocation cuts what was issued before it. */
  readonly issuedAtMs?: number | undefined;
}

export type Right = "publish" | "admin";

export interface PublisherPrincipal {
  readonly kind: "publisher";
  readonly name: string;
  /** "*": every tenant. */
  readonly tenants: "*" | readonly TenantId[];
  readonly rights: readonly Right[];
}

export type Principal = UserPrincipal | PublisherPrincipal;

/** Who the embedding application is: it may do what its own code could do anyway. */
export const application: PublisherPrincipal = {
  kind: "publisher",
  name: "app",
  tenants: "*",
  rights: ["publish", "admin"],
};

export const isSameUser = (a: UserPrincipal, b: UserPrincipal): boolean =>
  a.userId === b.userId && a.tenantId === b.tenantId;
