/** The calls of operators on revocations, behind the gate, each written down; and the cutting of what the runtime holds. */
import type { LiftBody, RevokeBody, StandingRevocation } from "../../protocol/access.ts";
import type { StreamKey } from "../../protocol/ids.ts";
import { asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import type { AuditLog } from "../auth/audit-log.ts";
import type { PublisherPrincipal } from "../auth/principal.ts";
import { Forbidden } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { answer } from "./answer.ts";
import type { Connections } from "./connections.ts";
import { nameOf, requireRight, tenantOf } from "./gate.ts";
import type { Revocation, RevocationTarget } from "./revocation.ts";
import { concerns } from "./revocation.ts";
import type { Revocations } from "./revocations.ts";
import type { RuntimeService } from "./runtime.ts";

export interface RevocationCallsTerms {
  readonly revocations: Revocations;
  readonly connections: Connections;
  readonly auditLog: AuditLog;
  readonly clock: Clock;
  /** Of a user, on whatever channel they wait. Undefined: nobody is told on any. */
  readonly dropNotices: (stream: StreamKey) => Promise<number | undefined>;
}

/** What the body names, in a tenant of the caller. Fails: `Forbidden`. */
function targetOf(caller: PublisherPrincipal, body: LiftBody): RevocationTarget {
  requireRight(caller, "admin");
  const { key, userId, sessionId } = body;
  if (key !== undefined) {
    if (caller.tenants !== "*")
      throw new Forbidden({ message: "a key that is bound to tenants cannot revoke keys: they may serve others" });
    return { what: "key", key };
  }
  const tenantId = tenantOf(caller, body.tenantId === undefined ? undefined : asTenantId(body.tenantId));
  return userId === undefined
    ? { what: "session", tenantId, sessionId: sessionId ?? "" }
    : { what: "user", tenantId, userId: asUserId(userId) };
}

const mayTell =
  ({ tenants }: PublisherPrincipal) =>
  (target: RevocationTarget): boolean =>
    tenants === "*" || (target.what !== "key" && tenants.includes(target.tenantId));

function shown({ at, by, reason, ...target }: Revocation): StandingRevocation {
  const { what: _what, ...named } = target;
  return { ...named, at, by, ...(reason !== undefined && { reason }) };
}

/** Who it was, for the audit log. Sessions are told apart there by their connections: their ids are as good as secret. */
const audited = (target: RevocationTarget) => ({
  tenantId: target.what === "key" ? undefined : target.tenantId,
  userId: target.what === "user" ? target.userId : undefined,
  details: { what: target.what, ...(target.what === "key" && { key: target.key }) },
});

export function revocationCalls(
  terms: RevocationCallsTerms,
): Pick<RuntimeService, "revoke" | "standingRevocations" | "liftRevocation"> {
  const { revocations, connections, auditLog, clock, dropNotices } = terms;
  revocations.onRevoked((revocation) => {
    const hit = [...connections.each()].filter(({ principal }) => principal && concerns(revocation, principal));
    for (const { credential } of hit) credential.revoke();
    return { connections: hit.length };
  });
  revocations.onRevoked(async (target) =>
    target.what === "user" ? { notices: (await dropNotices(streamKey(target.tenantId, target.userId))) ?? 0 } : {},
  );
  return {
    revoke: (caller, body: RevokeBody) =>
      answer(async () => {
        const target = targetOf(caller, body);
        const by = nameOf(caller);
        const { reason } = body;
        const { tenantId, userId, details } = audited(target);
        auditLog.record({
          action: "auth_revoked",
          tenantId,
          userId,
          by,
          details: { ...details, ...(reason !== undefined && { reason }) },
        });
        return revocations.revoke({ ...target, at: new Date(clock.now()).toISOString(), by, reason });
      }),
    standingRevocations: (caller, { after = "", limit }) =>
      answer(() => {
        requireRight(caller, "admin");
        const found = revocations.list(after, limit, mayTell(caller));
        return {
          revocations: found.map(([, revocation]) => shown(revocation)),
          next: found.length === limit ? (found.at(-1)?.[0] ?? null) : null,
        };
      }),
    liftRevocation: (caller, body: LiftBody) =>
      answer(async () => {
        const target = targetOf(caller, body);
        const lifted = await revocations.lift(target);
        if (lifted) auditLog.record({ action: "revocation_lifted", by: nameOf(caller), ...audited(target) });
        return { lifted };
      }),
  };
}
