/**
 * Which value of a flag a user gets: pure, and the same on every node. A share of users is drawn by a hash, so that the
 * same user always falls on the same side, and who is in a share stays in it when it grows.
 */
import { createHash } from "node:crypto";
import type { FlagName, FlagRule } from "../../protocol/flags.ts";

const hashBytes = 6;
const hashRange = 2 ** (8 * hashBytes);
const maxPercent = 100;

/** Whose value is asked for. Nobody in particular gets what the rule says for all. */
export interface FlagUser {
  readonly tenantId: string;
  readonly userId?: string | undefined;
}

/**
 * Where a user stands between 0 and 100.
 *
 * Source: every part goes in with its length, so no two users share a place because of where a colon stands.
 */
export function placeOf(flag: FlagName, seed: string, tenantId: string, userId: string): number {
  const hash = createHash("sha256");
  for (const part of [flag, seed, tenantId, userId]) hash.update(`${part.length}:${part}`);
  return (hash.digest().readUIntBE(0, hashBytes) / hashRange) * maxPercent;
}

/** The value of a rule: the tenant's own, else the share's for who is in it, else the default. */
export function valueUnder<Value extends string | boolean>(
  flag: FlagName,
  rule: FlagRule<Value>,
  user: FlagUser | undefined,
): Value {
  if (typeof rule !== "object") return rule;
  const { tenants, percent } = rule;
  if (user === undefined) return rule.default;
  const { tenantId, userId } = user;
  const ofTenant = tenants !== undefined && Object.hasOwn(tenants, tenantId) ? tenants[tenantId] : undefined;
  if (ofTenant !== undefined) return ofTenant;
  if (percent === undefined || userId === undefined) return rule.default;
  const isIn = placeOf(flag, percent.seed ?? "", tenantId, userId) < percent.percent;
  return isIn ? percent.value : rule.default;
}
