/** The audit log as admins read it: a key that is bound to tenants sees what concerns them, and nothing else. */
import type { AuditAnswer } from "../../protocol/access.ts";
import type { AuditEntry, AuditLog } from "../auth/audit-log.ts";
import type { PublisherPrincipal } from "../auth/principal.ts";
import { requireRight, tenantOf } from "./gate.ts";
import type { Page, Whose } from "./runtime.ts";

export async function auditPage(
  audit: AuditLog,
  caller: PublisherPrincipal,
  { tenantId, userId }: Whose,
  page: Page,
): Promise<AuditAnswer> {
  requireRight(caller, "admin");
  const { tenants } = caller;
  if (tenantId !== undefined) tenantOf(caller, tenantId);
  const sees = (entry: AuditEntry): boolean =>
    (tenants === "*" || tenants.some((tenant) => tenant === entry.tenantId)) &&
    (tenantId === undefined || entry.tenantId === tenantId) &&
    (userId === undefined || entry.userId === userId);
  const read = await audit.read?.({ ...page, sees });
  return read === undefined ? { entries: [], next: null, isKept: false } : { ...read, isKept: true };
}
