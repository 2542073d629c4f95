import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import type { UserPrincipal } from "../../src/auth/principal.ts";
import { SharedTickets } from "../../src/auth/shared-tickets.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { faultyLog } from "../support/faulty-log.ts";

const hourMs = 3_600_000;
const user = (name: string, expiresAtMs = Number.MAX_SAFE_INTEGER): UserPrincipal => ({
  kind: "user",
  tenantId: asTenantId("t"),
  userId: asUserId(name),
  expiresAtMs,
  sessionId: `${name}'s`,
});
const outcome = <A, E extends { _tag: string }>(effect: Effect.Effect<A, E>) =>
  Effect.runPromise(Effect.match(effect, { onFailure: (e) => e._tag, onSuccess: (value) => value }));

function nodes(limits = { maxCount: 100, maxPerUser: 10 }) {
  const clock = manualClock();
  const log = faultyLog(memoryLog());
  const [one, two] = [new SharedTickets({ log, clock, limits }), new SharedTickets({ log, clock, limits })];
  const sell = async (name: string, expiresAtMs?: number) =>
    (await Effect.runPromise(one.issue(user(name, expiresAtMs)))).ticket;
  return { clock, log, one, two, sell };
}

describe("a ticket of several nodes", () => {
  it("that one sold lets its buyer in at another, once at all of them", async () => {
    const { one, two, sell } = nodes();
    const ticket = await sell("alice");
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, index) => outcome((index % 2 === 0 ? one : two).consume(ticket))),
    );
    expect(all.filter((each) => typeof each === "object")).toEqual([user("alice")]);
    expect(await outcome(two.consume(ticket))).toBe("Unauthenticated");
  });

  it("has 256 bits of its own, says nothing of its owner, and is kept as a digest", async () => {
    const { log, sell } = nodes();
    const ticket = await sell("alice");
    expect(Buffer.from(ticket.slice(12), "base64url")).toHaveLength(32);
    const [kept] = await log.documents({ kind: "ticket", limit: 10 });
    expect(JSON.stringify(kept)).not.toContain(ticket.slice(12));
    expect(ticket).not.toContain("alice");
  });

  it("lives 60 s and no longer than its token, and is taken away when nobody used it", async () => {
    const { clock, one, two, log, sell } = nodes();
    const [early, late] = [await sell("alice"), await sell("alice", clock.now() + 5_000)];
    await clock.advance(5_000);
    expect(await outcome(two.consume(late))).toBe("Unauthenticated");
    await clock.advance(55_000);
    expect(await outcome(two.consume(early))).toBe("Unauthenticated");
    await sell("alice");
    await clock.advance(hourMs);
    await one.tidy();
    expect(await log.documents({ kind: "ticket", limit: 10 })).toEqual([]);
  });

  it.each(["", "x", "no such ticket", "\u0000".repeat(55)])("is not %j", async (made) => {
    const { two, sell } = nodes();
    await sell("alice");
    expect(await outcome(two.consume(made))).toBe("Unauthenticated");
  });

  it("is sold as often as a user may hold some, at whichever node, and again when they are used", async () => {
    const { one, two, clock, sell } = nodes({ maxCount: 100, maxPerUser: 3 });
    const held = [await sell("alice"), await sell("alice"), await sell("alice")];
    expect(await outcome(two.issue(user("alice")))).toBe("TooMany");
    expect(await outcome(two.issue(user("bob")))).toMatchObject({ expiresAtMs: clock.now() + 60_000 });
    await outcome(one.consume(held[0] ?? ""));
    expect(await outcome(two.issue(user("alice")))).toMatchObject({ expiresAtMs: clock.now() + 60_000 });
  });

  it("is taken back wherever it was sold", async () => {
    const { one, two, sell } = nodes();
    const [hers, his] = [await sell("alice"), await sell("bob")];
    expect(await two.takeBack(({ userId }) => userId === "alice")).toBe(1);
    expect(await outcome(one.consume(hers))).toBe("Unauthenticated");
    expect(await outcome(one.consume(his))).toEqual(user("bob"));
  });

  it("waits for a log that does not answer", async () => {
    const { two, log, sell } = nodes();
    const ticket = await sell("alice");
    log.setDown(true);
    expect(await outcome(two.consume(ticket))).toBe("NotAccepting");
    expect(await outcome(two.issue(user("alice")))).toBe("NotAccepting");
    log.setDown(false);
    expect(await outcome(two.consume(ticket))).toEqual(user("alice"));
  });
});
