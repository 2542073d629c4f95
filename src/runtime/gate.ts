/**
 * The one gate of isolation (L8): who may touch whose things. Every call passes here before it reaches a run or a
 * stream, and what is foreign gets the answer of what is missing.
 */
import type { StreamKey, TenantId, UserId } from "../../protocol/ids.ts";
import { defaultTenant, streamKey } from "../../protocol/ids.ts";
import type { Principal, PublisherPrincipal, Right } from "../auth/principal.ts";
import { Forbidden, InvalidInput, NotFound } from "../errors.ts";
import type { RunRecord } from "../log/event-log.ts";
import type { Whose } from "./runtime.ts";

/** Fails with `Forbidden` when the key lacks the right. */
export function requireRight(caller: PublisherPrincipal, right: Right): void {
  if (!caller.rights.includes(right)) throw new Forbidden({ message: `this key does not have the right "${right}"` });
}

/** Known to us alone: the answer is that of what is missing. */
const foreign = new WeakSet<object>();

/** What is there and not theirs, as an answer. */
export function foreignThing(what: NotFound["what"]): NotFound {
  const answer = new NotFound({ what });
  foreign.add(answer);
  return answer;
}

/** Whether an answer hides something that is there. For counting. */
export const isForeign = (cause: unknown): boolean => typeof cause === "object" && cause !== null && foreign.has(cause);

const isBoundTo = (caller: PublisherPrincipal, tenantId: TenantId): boolean =>
  caller.tenants === "*" || caller.tenants.includes(tenantId);

/** The tenant that a publisher means: the named one, its only one, or `default`. */
export function tenantOf(caller: PublisherPrincipal, named: TenantId | undefined): TenantId {
  const only = caller.tenants !== "*" && caller.tenants.length === 1 ? caller.tenants[0] : undefined;
  const tenantId = named ?? only ?? defaultTenant;
  if (!isBoundTo(caller, tenantId)) throw new Forbidden({ message: "this key is not bound to that tenant" });
  return tenantId;
}

/** The tenant of a run that somebody names by its id alone. Foreign tenants look empty. */
export function tenantForRun(caller: Principal, named: TenantId | undefined, what: NotFound["what"] = "run"): TenantId {
  if (caller.kind === "user") return caller.tenantId;
  const only = caller.tenants !== "*" && caller.tenants.length === 1 ? caller.tenants[0] : undefined;
  const tenantId = named ?? only ?? defaultTenant;
  if (!isBoundTo(caller, tenantId)) throw foreignThing(what);
  return tenantId;
}

/** Lets the owner's own run pass, and any run for a key of its tenant. */
export function mayTouch(caller: Principal, record: Pick<RunRecord, "stream" | "tenantId">): boolean {
  if (caller.kind === "publisher") return isBoundTo(caller, record.tenantId);
  return record.stream === streamKey(caller.tenantId, caller.userId);
}

export function ownRun(caller: Principal, record: RunRecord | undefined): RunRecord {
  if (record === undefined) throw new NotFound({ what: "run" });
  if (!mayTouch(caller, record)) throw foreignThing("run");
  return record;
}

/** The stream that a read is about: a user's own, or for admins anybody's. */
export function streamToRead(caller: Principal, { tenantId, userId }: Whose): StreamKey {
  if (caller.kind === "user") {
    const isOwn = (userId ?? caller.userId) === caller.userId && (tenantId ?? caller.tenantId) === caller.tenantId;
    if (!isOwn) throw new Forbidden({ message: "users read their own things only" });
    return streamKey(caller.tenantId, caller.userId);
  }
  requireRight(caller, "admin");
  if (userId === undefined)
    throw new InvalidInput({ code: "invalid", path: "userId", message: "is missing: an admin names the user" });
  return streamKey(tenantOf(caller, tenantId), userId as UserId);
}

/** Who asked, as the events say it. */
export const nameOf = (caller: Principal): string => (caller.kind === "user" ? "user" : `key:${caller.name}`);
