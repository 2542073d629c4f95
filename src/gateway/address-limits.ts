/**
 * What is held to its address: connections that open and that are open, answers to who has no credential; and how fast
 * the whole server takes connections. Programs of this machine are no strangers: loopback is not counted, unless it is a
 * proxy that names somebody.
 */
import type { IncomingMessage } from "node:http";
import type { BlockList } from "node:net";
import type { TiersConfig } from "../../protocol/tiers.ts";
import { TooMany } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { Rates } from "../runtime/rates.ts";
import { addressKey, clientAddress } from "./client-address.ts";

/** A proxy that is not named as trusted, and a company behind one address, should not meet them. */
export const defaultAddressRates = { connections: 10_000, connectionsPerSecond: 500, refusalsPerSecond: 20 } as const;
/** After a restart all come back within a few seconds, and each costs a look into the log. */
export const defaultServerRate = 2_000;
/** One that has all its places open gets one back when somebody leaves: nobody knows when. */
const fullRetryAfterMs = 5_000;
const wholeServer = "server";

export type AddressLimitName =
  | "addressConnections"
  | "addressConnectionsPerSecond"
  | "addressRefusalsPerSecond"
  | "serverConnectionsPerSecond";

export interface AddressLimitsTerms {
  readonly clock: Clock;
  readonly perAddress?: TiersConfig["perAddress"];
  readonly perServer?: TiersConfig["perServer"];
  /** Proxies whose word about the client is taken. */
  readonly trustedProxies?: BlockList | undefined;
}

export class AddressLimits {
  /** Refusals so far, by limit. */
  readonly refusals = new Map<AddressLimitName, number>();
  private readonly terms: AddressLimitsTerms;
  private readonly opening: Rates;
  private readonly refused: Rates;
  private readonly all: Rates;
  private readonly openOf = new Map<string, number>();

  constructor(terms: AddressLimitsTerms) {
    this.terms = terms;
    this.opening = new Rates(terms.clock);
    this.refused = new Rates(terms.clock);
    this.all = new Rates(terms.clock);
  }

  addressOf(request: IncomingMessage): string {
    return clientAddress(request, this.terms.trustedProxies);
  }

  /** Counts a connection in; the answer counts it out, once, or says why it may not come in. */
  enter(request: IncomingMessage): TooMany | (() => void) {
    const { perAddress = {}, perServer = {} } = this.terms;
    const serverRate = perServer.connectionsPerSecond ?? defaultServerRate;
    const key = addressKey(this.addressOf(request));
    if (key !== undefined) {
      const rate = perAddress.connectionsPerSecond ?? defaultAddressRates.connectionsPerSecond;
      const waitMs = this.opening.take(key, rate);
      if (waitMs > 0) return this.tooMany("addressConnectionsPerSecond", "connections of this address", waitMs);
      if ((this.openOf.get(key) ?? 0) >= (perAddress.connections ?? defaultAddressRates.connections))
        return this.tooMany("addressConnections", "open connections of this address", fullRetryAfterMs);
    }
    const waitMs = this.all.take(wholeServer, serverRate);
    if (waitMs > 0) return this.tooMany("serverConnectionsPerSecond", "connections at once", waitMs);
    if (key === undefined) return () => {};
    this.openOf.set(key, (this.openOf.get(key) ?? 0) + 1);
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      const left = (this.openOf.get(key) ?? 1) - 1;
      if (left === 0) this.openOf.delete(key);
      else this.openOf.set(key, left);
    };
  }

  /** A request had no good credential. Undefined: it may be told so; else it is told when to come back. */
  refuse(request: IncomingMessage): TooMany | undefined {
    const key = addressKey(this.addressOf(request));
    if (key === undefined) return undefined;
    const rate = this.terms.perAddress?.refusalsPerSecond ?? defaultAddressRates.refusalsPerSecond;
    const waitMs = this.refused.take(key, rate);
    if (waitMs === 0) return undefined;
    return this.tooMany("addressRefusalsPerSecond", "requests of this address without a credential", waitMs);
  }

  private tooMany(limit: AddressLimitName, what: string, retryAfterMs: number): TooMany {
    this.refusals.set(limit, (this.refusals.get(limit) ?? 0) + 1);
    return new TooMany({ message: `too many ${what}`, retryAfterMs, limit });
  }
}
