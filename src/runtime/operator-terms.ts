/** What operators say of users, put together: flags, tiers, and the limits that follow from them. */
import { defaultFlags, Flags } from "./flags.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Deadlines } from "./deadlines.ts";
import { Limits } from "./limits.ts";
import type { GivenSettings, RuntimeOptions } from "./options.ts";
import { TierClaims } from "./tier-claims.ts";
import { Tiers } from "./tiers.ts";
import { UserTerms } from "./user-terms.ts";

export interface OperatorTerms {
  readonly flags: Flags;
  readonly userTerms: UserTerms;
  readonly limits: Limits;
}

/** `connections`: of the default tier, as the application said. */
export function operatorTerms(
  log: EventLog,
  settings: GivenSettings,
  deadlines: Deadlines,
  connections: RuntimeOptions["maxConnectionsPerUser"],
): OperatorTerms {
  const { journal, auditLog, clock, contamination, tiers: config } = settings;
  const defaults = { ...defaultFlags, contaminationPolicy: contamination };
  const flags = new Flags({ log, journal, auditLog, deadlines, defaults });
  const areKept = Object.values(config.tiers ?? {}).some((tier) => tier?.retentionMs !== undefined);
  const claims = new TierClaims({ log, clock, areKept });
  const tiers = new Tiers({ config, claims, journal, connections });
  const userTerms = new UserTerms({ flags, tiers, claims, settings });
  return { flags, userTerms, limits: new Limits({ clock, tiers, perKey: config.perKey }) };
}
