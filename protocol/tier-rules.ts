/** Who is in which tier, where no credential says. Apart from `tiers`: the threads of a log need it, and no schemas. */
import type { TenantId, UserId } from "./ids.ts";

export const tierNames = ["free", "early", "mid", "enterprise"] as const;
export type TierName = (typeof tierNames)[number];
export const isTierName = (name: string | undefined): name is TierName => tierNames.some((known) => known === name);

/** The same of each tier. */
export const byTier = <Value>(of: (tier: TierName) => Value): Readonly<Record<TierName, Value>> => ({
  free: of("free"),
  early: of("early"),
  mid: of("mid"),
  enterprise: of("enterprise"),
});

export interface TierRules {
  readonly tenants?: Readonly<Record<string, TierName>> | undefined;
  /** By tenant, then by user. */
  readonly users?: Readonly<Record<string, Readonly<Record<string, TierName>>>> | undefined;
}

/** The rule for the user, or else for the tenant; undefined: there is none. */
export function ruledTier(
  { users = {}, tenants = {} }: TierRules,
  tenantId: TenantId,
  userId: UserId,
): TierName | undefined {
  const ofTenant = Object.hasOwn(users, tenantId) ? users[tenantId] : undefined;
  if (ofTenant !== undefined && Object.hasOwn(ofTenant, userId)) return ofTenant[userId];
  return Object.hasOwn(tenants, tenantId) ? tenants[tenantId] : undefined;
}
