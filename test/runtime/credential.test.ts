import { describe, expect, it } from "vitest";
import { closeCodes } from "../../protocol/close-codes.ts";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import { Unauthenticated } from "../../src/errors.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const lateMs = 110;
const dayMs = 24 * 3_600_000;

/** Tokens are `user:ttlMs`. */
function world(options: { readonly confirmAuth?: boolean } = {}) {
  const clock = manualClock();
  return runtimeUnderTest({
    ...options,
    clock,
    authenticate: async (token) => {
      const [user = "", ttl = "0"] = token.split(":");
      if (user === "bad") throw new Unauthenticated({ message: "bad token" });
      return {
        kind: "user",
        userId: asUserId(user),
        tenantId: asTenantId("default"),
        expiresAtMs: clock.now() + Number(ttl),
      };
    },
  });
}

describe("a credential", () => {
  it("is called in before its end, and its end closes with 4401", async () => {
    const { connect, clock } = await world();
    const tab = await connect("alice:60000");
    expect(tab.of("welcome")[0]?.expiresAt).toBe(new Date(clock.now() + 60_000).toISOString());
    await clock.advance(29_000);
    expect(tab.of("auth_expiring")).toEqual([]);
    await clock.advance(1_000 + lateMs);
    const [notice] = tab.of("auth_expiring");
    expect(notice?.inMs).toBeGreaterThan(29_800);
    expect(notice?.inMs).toBeLessThanOrEqual(30_000);
    await clock.advance(29_000);
    expect(tab.transport.ended).toBeUndefined();
    await clock.advance(1_000 + lateMs);
    expect(tab.transport.ended).toEqual({ code: closeCodes.unauthenticated, reason: "token expired" });
    expect(tab.of("auth_expiring")).toHaveLength(1);
  });

  it("that is short is called in at once", async () => {
    const { connect, clock } = await world();
    const tab = await connect("alice:2000");
    await clock.advance(lateMs);
    expect(tab.of("auth_expiring")).toHaveLength(1);
    await clock.advance(2_000);
    expect(tab.transport.ended?.code).toBe(closeCodes.unauthenticated);
  });

  it.each([30 * dayMs, 300 * 365 * dayMs])("of %i ms does not end early", async (ttlMs) => {
    const { connect, clock } = await world();
    const tab = await connect(`alice:${ttlMs}`);
    await clock.advance(30_000);
    expect(tab.transport.ended).toBeUndefined();
    expect(tab.of("auth_expiring")).toEqual([]);
  });

  it("of thirty days ends after thirty days", async () => {
    const { connect, clock } = await world();
    const tab = await connect(`alice:${30 * dayMs}`);
    clock.jump(30 * dayMs - 10_000);
    await clock.advance(1_000);
    expect(tab.of("auth_expiring")).toHaveLength(1);
    await clock.advance(9_000 + lateMs);
    expect(tab.transport.ended?.code).toBe(closeCodes.unauthenticated);
  });

  it("is renewed in the connection by a token of the same user", async () => {
    const { connect, clock, settle } = await world();
    const tab = await connect("alice:60000");
    await clock.advance(50_000);
    tab.say({ type: "auth", token: "alice:60000" });
    await settle();
    expect(tab.transport.authStates).toEqual(["auth_completed", "auth_started", "auth_validating", "auth_completed"]);
    await clock.advance(50_000);
    expect(tab.transport.ended).toBeUndefined();
    expect(tab.of("auth_expiring")).toHaveLength(2);
    await clock.advance(10_000 + lateMs);
    expect(tab.transport.ended?.code).toBe(closeCodes.unauthenticated);
  });

  it("is not renewed by another user's token, nor by a bad one", async () => {
    const { connect, settle } = await world();
    const foreign = await connect("alice:60000");
    foreign.say({ type: "auth", token: "bob:60000" });
    const bad = await connect("alice:60000");
    bad.say({ type: "auth", token: "bad" });
    await settle();
    expect(foreign.transport.ended?.code).toBe(closeCodes.forbidden);
    expect(bad.transport.ended?.code).toBe(closeCodes.unauthenticated);
  });
});

describe("a wall clock that jumps", () => {
  /** A world whose wall clock is set by hand; real time goes its way. */
  async function jumpy() {
    const clock = manualClock();
    let setByMs = 0;
    const jumping = Object.assign(Object.create(clock) as typeof clock, { now: () => clock.now() + setByMs });
    const runtime = await runtimeUnderTest({
      clock: jumping,
      authenticate: async (token) => {
        const expiresAtMs = jumping.now() + Number(token);
        return { kind: "user", userId: asUserId("alice"), tenantId: asTenantId("default"), expiresAtMs };
      },
    });
    return { ...runtime, clock, setBy: (ms: number) => void (setByMs += ms) };
  }

  it.each(["websocket", "sse"] as const)("ahead ends what is over by it, within five seconds: %s", async (kind) => {
    const { open, clock, setBy, settle } = await jumpy();
    const tab = await open({ kind });
    tab.say({ type: "hello", token: "3600000" });
    await settle();
    await clock.advance(10_000);
    setBy(3_590_000);
    await clock.advance(5_000);
    expect(tab.transport.ended).toEqual({ code: closeCodes.unauthenticated, reason: "token expired" });
  });

  it("back ends nothing early", async () => {
    const { connect, clock, setBy } = await jumpy();
    const tab = await connect("60000");
    await clock.advance(10_000);
    setBy(-30_000);
    await clock.advance(79_000);
    expect(tab.transport.ended).toBeUndefined();
    await clock.advance(1_000 + 2 * lateMs);
    expect(tab.transport.ended?.code).toBe(closeCodes.unauthenticated);
  });

  it("a little at a time is noticed as well", async () => {
    const { connect, clock, setBy } = await jumpy();
    const tab = await connect("600000");
    for (let step = 0; step < 100; step += 1) {
      setBy(300);
      await clock.advance(1_000);
    }
    await clock.advance(600_000 - 130_000 + 5_000);
    expect(tab.transport.ended?.code).toBe(closeCodes.unauthenticated);
  });
});

describe("a renewal", () => {
  it("keeps the place in the stream, the window and what was acknowledged", async () => {
    const { connect, clock, settle, start, publish } = await world();
    const tab = await connect("alice:60000");
    const run = await start();
    await publish(run.runId, run.fence, [{ type: "agent_thinking", data: {} }]);
    await clock.advance(40_000);
    expect(tab.of("auth_expiring")).toHaveLength(1);
    tab.say({ type: "auth", token: "alice:60000" });
    await publish(run.runId, run.fence, [{ type: "agent_completed", data: {} }]);
    await settle();
    await clock.advance(40_000);
    expect(tab.transport.ended).toBeUndefined();
    expect(tab.of("welcome")).toHaveLength(1);
    expect(tab.events().map(({ offset }) => offset)).toEqual([1, 2, 3]);
    const ranges = tab.of("events").map(({ after, upto }) => [after, upto]);
    for (const [at, range] of ranges.entries()) expect(range[0]).toBe(ranges[at - 1]?.[1] ?? 0);
  });

  it("that is refused says so before the close", async () => {
    const { connect, settle } = await world();
    const tab = await connect("alice:60000");
    tab.say({ type: "auth", token: "bad" });
    await settle();
    expect(tab.transport.authStates.slice(1)).toEqual(["auth_started", "auth_validating", "auth_failed"]);
    expect(tab.transport.ended?.code).toBe(closeCodes.unauthenticated);
  });

  it("does not ask for another confirmation", async () => {
    const { connect, clock, settle } = await world({ confirmAuth: true });
    const tab = await connect("alice:3600000");
    tab.say({ type: "confirm" });
    tab.say({ type: "auth", token: "alice:3600000" });
    await settle();
    await clock.advance(20_000);
    expect(tab.transport.ended).toBeUndefined();
  });
});

describe("confirmAuth", () => {
  it("closes with 4408 who does not take note of the welcome", async () => {
    const { connect, clock } = await world({ confirmAuth: true });
    const silent = await connect("alice:3600000");
    const polite = await connect("alice:3600000");
    polite.say({ type: "confirm" });
    await clock.advance(5_000 - lateMs);
    expect(silent.transport.ended).toBeUndefined();
    await clock.advance(2 * lateMs);
    expect(silent.transport.ended).toEqual({ code: closeCodes.tooLate, reason: "no confirm" });
    await clock.advance(20_000);
    expect(polite.transport.ended).toBeUndefined();
  });

  it("is not asked for by default, and a confirm does no harm", async () => {
    const { connect, clock } = await world();
    const silent = await connect("alice:3600000");
    const polite = await connect("alice:3600000");
    polite.say({ type: "confirm" });
    await clock.advance(10_000);
    for (const tab of [silent, polite]) expect(tab.transport.ended).toBeUndefined();
  });

  it("takes the ack of a stream, which has no other way back, for its confirmation", async () => {
    const { open, clock, settle, parts, call } = await world({ confirmAuth: true });
    const [silent, polite] = [await open({ kind: "sse" }), await open({ kind: "sse" })];
    for (const stream of [silent, polite]) stream.say({ type: "hello", token: "alice:3600000" });
    await settle();
    await call(parts.service.ack(userOf("alice", clock.now()), polite.connection.id, 0));
    await clock.advance(6_000);
    expect(silent.transport.ended?.code).toBe(closeCodes.tooLate);
    expect(polite.transport.ended).toBeUndefined();
  });
});
