/**
 * What users and keys are held to: rates by tier, rates by key. Who is refused learns when to come back, and every refusal
 * is counted. The application's own calls are not limited: it could hold itself back.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import { streamKey, streamOwner } from "../../protocol/ids.ts";
import type { TiersConfig } from "../../protocol/tiers.ts";
import type { Principal, PublisherPrincipal, UserPrincipal } from "../auth/principal.ts";
import { application } from "../auth/principal.ts";
import { TooMany } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { Rates } from "./rates.ts";
import type { Tier, Tiers } from "./tiers.ts";

export type LimitName =
  | "connectionsPerSecond"
  | "framesPerSecond"
  | "commandsPerSecond"
  | "eventsPerSecond"
  | "runsPerSecond"
  | "keyEventsPerSecond"
  | "keyRunsPerSecond";

/** Generous: a key is a fleet of runners. */
export const defaultKeyRates = { eventsPerSecond: 50_000, runsPerSecond: 1_000 } as const;

const words: Readonly<Record<LimitName, string>> = {
  connectionsPerSecond: "connections of this user",
  framesPerSecond: "frames of this user",
  commandsPerSecond: "commands of this user",
  eventsPerSecond: "events for this user",
  runsPerSecond: "runs for this user",
  keyEventsPerSecond: "events of this key",
  keyRunsPerSecond: "runs of this key",
};

export interface LimitsTerms {
  readonly clock: Clock;
  readonly tiers: Tiers;
  readonly perKey?: TiersConfig["perKey"];
}

export class Limits {
  /** Refusals so far, by limit. */
  readonly refusals = new Map<LimitName, number>();
  private readonly tiers: Tiers;
  private readonly keys: { readonly eventsPerSecond: number; readonly runsPerSecond: number };
  private readonly rates: Readonly<Record<LimitName, Rates>>;

  constructor({ clock, tiers, perKey = {} }: LimitsTerms) {
    this.tiers = tiers;
    this.keys = {
      eventsPerSecond: perKey.eventsPerSecond ?? defaultKeyRates.eventsPerSecond,
      runsPerSecond: perKey.runsPerSecond ?? defaultKeyRates.runsPerSecond,
    };
    this.rates = {
      connectionsPerSecond: new Rates(clock),
      framesPerSecond: new Rates(clock),
      commandsPerSecond: new Rates(clock),
      eventsPerSecond: new Rates(clock),
      runsPerSecond: new Rates(clock),
      keyEventsPerSecond: new Rates(clock),
      keyRunsPerSecond: new Rates(clock),
    };
  }

  /** A connection of this user opens. Fails: `TooMany`. */
  connect(user: UserPrincipal): void {
    const stream = streamKey(user.tenantId, user.userId);
    this.take("connectionsPerSecond", stream, this.tierOf(user).connectionsPerSecond);
  }

  /** One more frame of this user. Fails: `TooMany`. */
  frame(user: UserPrincipal): void {
    this.take("framesPerSecond", streamKey(user.tenantId, user.userId), this.tierOf(user).framesPerSecond);
  }

  /** A user asks something of a run; a key's calls are no commands. Fails: `TooMany`. */
  command(caller: Principal): void {
    if (caller.kind !== "user") return;
    this.take("commandsPerSecond", streamKey(caller.tenantId, caller.userId), this.tierOf(caller).commandsPerSecond);
  }

  /** `count` events are published by this key for this user, who may not be known yet. Fails: `TooMany`. */
  publish(key: PublisherPrincipal, stream: StreamKey | undefined, count: number): void {
    if (key === application) return;
    this.take("keyEventsPerSecond", key.name, this.keys.eventsPerSecond, count);
    if (stream !== undefined) this.take("eventsPerSecond", stream, this.tierOfStream(stream).eventsPerSecond, count);
  }

  /** A run starts. Fails: `TooMany`. */
  start(key: PublisherPrincipal, stream: StreamKey): void {
    if (key === application) return;
    this.take("keyRunsPerSecond", key.name, this.keys.runsPerSecond);
    this.take("runsPerSecond", stream, this.tierOfStream(stream).runsPerSecond);
  }

  private take(limit: LimitName, caller: string, perSecond: number, cost = 1): void {
    const retryAfterMs = this.rates[limit].take(caller, perSecond, cost);
    if (retryAfterMs === 0) return;
    this.refusals.set(limit, (this.refusals.get(limit) ?? 0) + 1);
    throw new TooMany({ message: `too many ${words[limit]}: ${perSecond} a second are allowed`, retryAfterMs, limit });
  }

  private tierOf({ tenantId, userId, tier }: UserPrincipal): Tier {
    return this.tiers.of(tenantId, userId, tier);
  }

  private tierOfStream(stream: StreamKey): Tier {
    const { tenantId, userId } = streamOwner(stream);
    return this.tiers.of(tenantId, userId);
  }
}

/** Takes from a limit. False: above it, and `turnAway` heard when to come back. */
export function isWithin(take: () => void, turnAway: (retryAfterMs: number) => void): boolean {
  try {
    take();
    return true;
  } catch (cause) {
    if (!(cause instanceof TooMany)) throw cause;
    turnAway(cause.retryAfterMs);
    return false;
  }
}
