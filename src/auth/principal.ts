/** Who a caller is, once an authenticator has said so. Nothing else in the house decides identity. */
import type { TenantId, UserId } from "../../protocol/ids.ts";

export interface UserPrincipal {
  readonly kind: "user";
  readonly tenantId: TenantId;
  readonly userId: UserId;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
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
