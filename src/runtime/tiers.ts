/**
 * Tiers: what users may have, by what they pay. The claim of the token goes before the rule for the user, that before
 * the rule for the tenant, that before the default. Who is away keeps the claim that was seen last.
 */
import type { Batching } from "../../protocol/flags.ts";
import type { TenantId, UserId } from "../../protocol/ids.ts";
import { streamKey } from "../../protocol/ids.ts";
import type { TierName } from "../../protocol/tier-rules.ts";
import { byTier, isTierName, ruledTier, tierNames } from "../../protocol/tier-rules.ts";
import type { TiersConfig, TierTerms } from "../../protocol/tiers.ts";
import type { UserPrincipal } from "../auth/principal.ts";
import type { RetireTiers } from "../log/housekeeping.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { TierClaims } from "./tier-claims.ts";

export interface Tier {
  readonly name: TierName;
  /** Open at once; the oldest goes. */
  readonly connections: number;
  readonly connectionsPerSecond: number;
  /** Of all the user's connections together. */
  readonly framesPerSecond: number;
  readonly commandsPerSecond: number;
  /** Published for the user over HTTP. */
  readonly eventsPerSecond: number;
  readonly runsPerSecond: number;
  /** Runs live so long at most. Undefined: as long as they like. */
  readonly deadlineMs?: number | undefined;
  /** Undefined: as long as the server keeps events. */
  readonly retentionMs?: number | undefined;
  readonly windowEvents?: number | undefined;
  readonly windowBytes?: number | undefined;
  readonly batching: Batching;
  /** Runs that name no mode are in performance mode. */
  readonly performanceMode: boolean;
  readonly escalation: NonNullable<TierTerms["escalation"]>;
}

const hourMs = 3_600_000;
const common = { batching: "asked", performanceMode: false, escalation: {} } as const;

/** What each tier has where nothing is said. */
export const defaultTiers: { readonly [Name in TierName]: Tier } = {
  free: {
    ...common,
    name: "free",
    connections: 10,
    connectionsPerSecond: 2,
    framesPerSecond: 200,
    commandsPerSecond: 2,
    eventsPerSecond: 500,
    runsPerSecond: 1,
    deadlineMs: hourMs,
  },
  early: {
    ...common,
    name: "early",
    connections: 50,
    connectionsPerSecond: 10,
    framesPerSecond: 500,
    commandsPerSecond: 10,
    eventsPerSecond: 2_000,
    runsPerSecond: 5,
    deadlineMs: 6 * hourMs,
  },
  mid: {
    ...common,
    name: "mid",
    connections: 200,
    connectionsPerSecond: 50,
    framesPerSecond: 2_000,
    commandsPerSecond: 50,
    eventsPerSecond: 10_000,
    runsPerSecond: 50,
    deadlineMs: 24 * hourMs,
  },
  enterprise: {
    ...common,
    name: "enterprise",
    connections: 1_000,
    connectionsPerSecond: 200,
    framesPerSecond: 10_000,
    commandsPerSecond: 200,
    eventsPerSecond: 20_000,
    runsPerSecond: 500,
  },
};

/** Who sells no tiers holds nobody back beyond what protects the server. */
const defaultTierName: TierName = "enterprise";

/** How long each tier keeps events, and who is in which. */
export interface TierRetention extends Pick<RetireTiers, "default" | "rules"> {
  readonly keptMs: Readonly<Record<TierName, number>>;
}

export interface TiersTerms {
  readonly config: TiersConfig;
  readonly claims: TierClaims;
  readonly journal: Journal;
  /** Of the default tier, when its configuration does not say. */
  readonly connections?: number | undefined;
}

export class Tiers {
  private readonly config: TiersConfig;
  private readonly journal: Journal;
  private readonly byName: ReadonlyMap<TierName, Tier>;
  private readonly defaultName: TierName;
  private readonly claims: TierClaims;
  /** A claim that names no tier is told once. */
  private hasToldUnknown = false;

  constructor({ config, claims, journal, connections }: TiersTerms) {
    this.config = config;
    this.claims = claims;
    this.journal = journal;
    this.defaultName = config.default ?? defaultTierName;
    this.byName = new Map(
      tierNames.map((name) => {
        const own = name === this.defaultName && connections !== undefined ? { connections } : {};
        return [name, { ...defaultTiers[name], ...own, ...said(config.tiers?.[name]) }];
      }),
    );
  }

  /** What a credential says is remembered for when its user is away. */
  note({ tenantId, userId, tier }: UserPrincipal): void {
    this.claims.note(streamKey(tenantId, userId), this.claimed(tier));
  }

  /** The tier of a user. `claim`: what a credential says, where one is at hand. */
  of(tenantId: TenantId, userId: UserId, claim?: string): Tier {
    const name =
      this.claimed(claim) ?? this.claims.of(streamKey(tenantId, userId)) ?? ruledTier(this.config, tenantId, userId);
    return this.byName.get(name ?? this.defaultName) ?? defaultTiers[this.defaultName];
  }

  /** `retentionMs`: what tiers keep that say nothing. Undefined: all keep as long. */
  retention(retentionMs: number): TierRetention | undefined {
    const keptMs = byTier((name) => this.byName.get(name)?.retentionMs ?? retentionMs);
    if (Object.values(keptMs).every((each) => each === retentionMs)) return undefined;
    const { tenants, users } = this.config;
    return { keptMs, default: this.defaultName, rules: { tenants, users } };
  }

  private claimed(claim: string | undefined): TierName | undefined {
    if (claim === undefined || isTierName(claim)) return claim;
    if (!this.hasToldUnknown) {
      this.hasToldUnknown = true;
      this.journal.write("warn", "tier.unknown", { claim, known: tierNames.join(", ") });
    }
    return undefined;
  }
}

/** Fields that are there and undefined say nothing. */
function said(terms: TierTerms = {}): TierTerms {
  return Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined));
}
