import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import type { TiersConfig } from "../../protocol/tiers.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { TierClaims } from "../../src/runtime/tier-claims.ts";
import { Tiers } from "../../src/runtime/tiers.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { checkTiers } from "../../src/tiers-setting.ts";

const acme = asTenantId("acme");
const globex = asTenantId("globex");
const [ann, bob] = [asUserId("ann"), asUserId("bob")];

function tiersOf(config: TiersConfig = {}, connections?: number) {
  const lines: unknown[] = [];
  const tiers = new Tiers({
    config,
    claims: new TierClaims({ log: memoryLog(), clock: manualClock(), areKept: false }),
    connections,
    journal: { write: (level, what, fields) => lines.push([level, what, fields]) },
  });
  return { tiers, lines };
}
const user = (tier?: string) => ({ kind: "user", tenantId: acme, userId: ann, expiresAtMs: 0, tier }) as const;

describe("tiers", () => {
  it("put everybody into enterprise where nothing is said", () => {
    const { tiers } = tiersOf();
    expect(tiers.of(acme, ann)).toMatchObject({ name: "enterprise", connections: 1_000 });
    expect(tiers.of(acme, ann).deadlineMs).toBeUndefined();
  });

  it("take the claim before the user's rule, that before the tenant's, that before the default", () => {
    const { tiers } = tiersOf({ default: "free", tenants: { acme: "early" }, users: { acme: { ann: "mid" } } });
    expect(tiers.of(globex, ann).name).toBe("free");
    expect(tiers.of(acme, bob).name).toBe("early");
    expect(tiers.of(acme, ann).name).toBe("mid");
    expect(tiers.of(acme, ann, "enterprise").name).toBe("enterprise");
  });

  it("know nobody by names that every object has", () => {
    const { tiers } = tiersOf({ default: "free", tenants: {}, users: { acme: {} } });
    expect(tiers.of(asTenantId("constructor"), ann).name).toBe("free");
    expect(tiers.of(acme, asUserId("toString")).name).toBe("free");
  });

  it("keep the claim that was seen last for who is away, until a credential says none", () => {
    const { tiers } = tiersOf({ default: "free" });
    tiers.note(user("mid"));
    expect(tiers.of(acme, ann).name).toBe("mid");
    expect(tiers.of(acme, bob).name).toBe("free");
    tiers.note(user());
    expect(tiers.of(acme, ann).name).toBe("free");
  });

  it("take an unknown claim for none, and warn once", () => {
    const { tiers, lines } = tiersOf({ default: "early" });
    tiers.note(user("platinum"));
    expect(tiers.of(acme, ann, "platinum").name).toBe("early");
    expect(lines).toEqual([["warn", "tier.unknown", { claim: "platinum", known: "free, early, mid, enterprise" }]]);
  });

  it("have what is said of them, and the rest as by default", () => {
    const { tiers } = tiersOf({
      tiers: { free: { connections: 3, deadlineMs: 5_000, batching: "adaptive" } },
      default: "free",
    });
    expect(tiers.of(acme, ann)).toMatchObject({
      name: "free",
      connections: 3,
      deadlineMs: 5_000,
      batching: "adaptive",
      framesPerSecond: 200,
      performanceMode: false,
    });
  });

  it("take the application's own number of connections for the default tier, unless the tier says its own", () => {
    expect(tiersOf({}, 7).tiers.of(acme, ann).connections).toBe(7);
    expect(tiersOf({}, 7).tiers.of(acme, ann, "free").connections).toBe(10);
    expect(tiersOf({ default: "free" }, 7).tiers.of(acme, ann).connections).toBe(7);
    expect(tiersOf({ tiers: { enterprise: { connections: 9 } } }, 7).tiers.of(acme, ann).connections).toBe(9);
  });
});

describe("the tiers' retention", () => {
  const keptMs = { free: 7, early: 7, mid: 7, enterprise: 7 };

  it("is nobody's own where none says another than the server", () => {
    expect(tiersOf().tiers.retention(7)).toBeUndefined();
    expect(
      tiersOf({ tiers: { mid: { retentionMs: 7 }, free: { connections: 1 } } }).tiers.retention(7),
    ).toBeUndefined();
  });

  it("is the tier's where it says one, else the server's, and names who is in which", () => {
    const rules = { tenants: { acme: "mid" as const }, users: { acme: { ann: "free" as const } } };
    const { tiers } = tiersOf({
      ...rules,
      default: "early",
      tiers: { mid: { retentionMs: 30 }, free: { retentionMs: 1 } },
    });
    expect(tiers.retention(7)).toEqual({ keptMs: { ...keptMs, mid: 30, free: 1 }, default: "early", rules });
    expect(tiersOf({ tiers: { mid: { retentionMs: 30 } } }).tiers.retention(7)).toMatchObject({
      default: "enterprise",
    });
  });
});

describe("the tiers' configuration", () => {
  const mistakes: readonly (readonly [string, unknown, string])[] = [
    ["a tier that there is not", { tiers: { gold: {} } }, "has a field that is not known: gold"],
    ["a default that there is not", { default: "gold" }, "default must be one of free, early, mid, enterprise"],
    ["a field that there is not", { tiers: { free: { conns: 5 } } }, "tiers.free has a field that is not known: conns"],
    ["no number", { tiers: { free: { connections: "5" } } }, "tiers.free.connections must be a"],
    [
      "a retention of no time",
      { tiers: { free: { retentionMs: 999 } } },
      "tiers.free.retentionMs must be at least 1000",
    ],
    [
      "one of eleven years",
      { tiers: { mid: { retentionMs: 346_896_000_000 } } },
      "tiers.mid.retentionMs must be at most",
    ],
    ["one in words", { tiers: { mid: { retentionMs: "30d" } } }, "tiers.mid.retentionMs must be a"],
    ["nothing a second", { tiers: { mid: { framesPerSecond: 0 } } }, "tiers.mid.framesPerSecond must be"],
    ["a tenant in none", { tenants: { acme: "gold" } }, "tenants.acme must be one of free"],
    ["no object", [], "must be an object"],
    ["a wish of an address", { perAddress: { connections: 0 } }, "perAddress.connections must be at least 1"],
  ];

  it.each(mistakes)("says of %s where it stands and what would be right", async (_, config, words) => {
    const failure = await Effect.runPromise(Effect.flip(checkTiers(config, "RUNCAST_TIERS")));
    expect(failure).toMatchObject({ setting: "RUNCAST_TIERS", message: expect.stringContaining(words) });
  });
});
