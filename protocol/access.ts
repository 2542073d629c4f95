/** Bodies and answers of the calls about who may come in: the audit log, and revocations. */
import * as z from "zod/mini";
import type { TenantId, UserId } from "./ids.ts";
import { nameSchema, tenantIdSchema, userIdSchema } from "./id-schemas.ts";

const revocable = {
  tenantId: z.optional(tenantIdSchema),
  userId: z.optional(userIdSchema),
  sessionId: z.optional(nameSchema),
  key: z.optional(nameSchema),
};
interface Revocable {
  readonly tenantId?: string | undefined;
  readonly userId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly key?: string | undefined;
}
const namesOne = ({ userId, sessionId, key }: Revocable): boolean =>
  [userId, sessionId, key].filter((name) => name !== undefined).length === 1;
const oneTarget = "must name one of userId, sessionId and key";
export const liftSchema = z.strictObject(revocable).check(z.refine(namesOne, oneTarget));
export const revokeSchema = z
  .strictObject({ ...revocable, reason: z.optional(z.string().check(z.maxLength(200))) })
  .check(z.refine(namesOne, oneTarget));

export type RevokeBody = z.infer<typeof revokeSchema>;
export type LiftBody = z.infer<typeof liftSchema>;

/** An entry of the audit log. */
export interface AuditedEntry {
  /** From 1, without a hole over all tenants. */
  readonly n: number;
  /** ISO 8601. */
  readonly time: string;
  readonly action: string;
  readonly tenantId?: string | undefined;
  readonly userId?: string | undefined;
  readonly connectionId?: string | undefined;
  readonly by?: string | undefined;
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** As in the file: who keeps it elsewhere can prove the line. */
  readonly hash: string;
}

export interface AuditAnswer {
  /** Ascending. May be fewer than `limit`, also none, where `next` is not null. */
  readonly entries: readonly AuditedEntry[];
  readonly next: number | null;
  /** False: this server keeps no audit log. */
  readonly isKept: boolean;
}

/** What a revocation ended that was live, in the process that answers. */
export interface RevokedAnswer {
  readonly connections: number;
  /** Unused tickets that were taken back. */
  readonly tickets: number;
  /** Notices that were on their way by other channels. */
  readonly notices: number;
}

export interface StandingRevocation {
  readonly tenantId?: TenantId;
  readonly userId?: UserId;
  readonly sessionId?: string;
  /** The name of an API key. */
  readonly key?: string;
  /** ISO 8601. */
  readonly at: string;
  readonly by: string;
  readonly reason?: string;
}

export interface RevocationsAnswer {
  readonly revocations: readonly StandingRevocation[];
  /** The next `after`; null at the end. */
  readonly next: string | null;
}

export interface LiftedAnswer {
  /** False: nothing stood. */
  readonly lifted: boolean;
}
