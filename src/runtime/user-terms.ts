/** What holds for one user now: by tier, where flags have no say. Asked anew each time: a changed flag needs no restart. */
import type { ContaminationPolicy } from "../../protocol/flags.ts";
import type { HelloFrame } from "../../protocol/frames.ts";
import type { Mode } from "../../protocol/http.ts";
import type { StreamKey, TenantId, UserId } from "../../protocol/ids.ts";
import { maxBatchDelayMs, maxBatchEvents } from "../../protocol/limits.ts";
import type { UserPrincipal } from "../auth/principal.ts";
import type { BatchTerms } from "./batcher.ts";
import type { Owner } from "./contamination.ts";
import type { Flags } from "./flags.ts";
import type { Settings } from "./options.ts";
import type { TierClaims } from "./tier-claims.ts";
import type { Tier, TierRetention, Tiers } from "./tiers.ts";
import type { Window } from "./unacked.ts";

export interface UserTermsParts {
  readonly flags: Flags;
  readonly tiers: Tiers;
  readonly claims: TierClaims;
  readonly settings: Pick<Settings, "retentionMs" | "windowEvents" | "windowBytes" | "maxConnectionsPerUser">;
}

export class UserTerms {
  private readonly parts: UserTermsParts;

  constructor(parts: UserTermsParts) {
    this.parts = parts;
  }

  /** What a credential says is remembered for when its user is away. */
  note(user: UserPrincipal): void {
    this.parts.tiers.note(user);
  }

  /** Resolves when it is known of the user what a credential said last, or cannot be known now. Undefined: it is. */
  recall(stream: StreamKey): Promise<void> | undefined {
    return this.parts.claims.recall(stream);
  }

  /** After it every node knows what credentials said here. Fails: `LogUnavailable`, `LogFull`. */
  saveClaims(): Promise<void> {
    return this.parts.claims.save();
  }

  /** Undefined: the same for all. */
  get retention(): TierRetention | undefined {
    return this.parts.tiers.retention(this.parts.settings.retentionMs);
  }

  /** Of a run that names none. */
  modeOf(tenantId: TenantId, userId: UserId): Mode {
    const { flags, tiers } = this.parts;
    const isFast = flags.isOn("performanceMode", tenantId, userId) || tiers.of(tenantId, userId).performanceMode;
    return isFast ? "performance" : "regular";
  }

  /** What is done with payloads of this owner that name somebody else. */
  contaminationOf(owner: Owner): ContaminationPolicy {
    return this.parts.flags.valueOf("contaminationPolicy", owner);
  }

  /** How long a run of this user may live that asks for so much. */
  deadlineOf(tenantId: TenantId, userId: UserId, askedMs: number | undefined): number | undefined {
    const { deadlineMs } = this.parts.tiers.of(tenantId, userId);
    return deadlineMs === undefined ? askedMs : Math.min(askedMs ?? deadlineMs, deadlineMs);
  }

  /** How a connection of this user batches, that asked for it or did not. Undefined: not at all. */
  batchingOf(user: UserPrincipal, asked: HelloFrame["batch"]): BatchTerms | undefined {
    const { flags, tiers } = this.parts;
    const flag = flags.valueOf("batching", user);
    const how = flag === "asked" ? tiers.of(user.tenantId, user.userId, user.tier).batching : flag;
    if (how === "off" || (how === "asked" && asked === undefined)) return undefined;
    // Performance mode waits for nothing.
    if (this.modeOf(user.tenantId, user.userId) === "performance") return undefined;
    const { maxEvents = maxBatchEvents, maxDelayMs = maxBatchDelayMs } = typeof asked === "object" ? asked : {};
    return { maxEvents, maxDelayMs, isAdaptive: how !== "on" };
  }

  /** Whom to call, and when, if this user does not look. */
  escalationOf(tenantId: TenantId, userId: UserId): Tier["escalation"] {
    return this.parts.tiers.of(tenantId, userId).escalation;
  }

  connectionsOf(user: UserPrincipal | undefined): number {
    return this.tierOf(user)?.connections ?? this.parts.settings.maxConnectionsPerUser;
  }

  windowOf(user: UserPrincipal | undefined): Window {
    const { windowEvents, windowBytes } = this.parts.settings;
    const tier = this.tierOf(user);
    return { maxEvents: tier?.windowEvents ?? windowEvents, maxBytes: tier?.windowBytes ?? windowBytes };
  }

  private tierOf(user: UserPrincipal | undefined): Tier | undefined {
    return user && this.parts.tiers.of(user.tenantId, user.userId, user.tier);
  }
}
