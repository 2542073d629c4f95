import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import type { UserPrincipal } from "../../src/auth/principal.ts";
import { Tickets } from "../../src/auth/ticket.ts";
import type { Clock } from "../../src/platform/clock.ts";
import { systemClock } from "../../src/platform/clock.ts";

function handClock(): { clock: Clock; pass: (ms: number) => void } {
  let ms = 1_000_000;
  return {
    clock: { ...systemClock, now: () => ms, mono: () => ms },
    pass: (by) => {
      ms += by;
    },
  };
}

const user = (name: string, expiresAtMs = Number.MAX_SAFE_INTEGER): UserPrincipal => ({
  kind: "user",
  tenantId: asTenantId("t"),
  userId: asUserId(name),
  expiresAtMs,
});
const sell = (tickets: Tickets, principal: UserPrincipal) => Effect.runPromise(tickets.issue(principal));
const outcome = <A, E extends { _tag: string }>(effect: Effect.Effect<A, E>) =>
  Effect.runPromise(Effect.match(effect, { onFailure: (e) => e._tag, onSuccess: (value) => value }));

describe("a ticket", () => {
  it("stands for its buyer, once", async () => {
    const { clock } = handClock();
    const tickets = new Tickets(clock);
    const { ticket } = await sell(tickets, user("alice"));
    expect(await outcome(tickets.consume(ticket))).toEqual(user("alice"));
    expect(await outcome(tickets.consume(ticket))).toBe("Unauthenticated");
  });

  it("lets one of many in that come at once", async () => {
    const { clock } = handClock();
    const tickets = new Tickets(clock);
    const { ticket } = await sell(tickets, user("alice"));
    const all = await Promise.all(Array.from({ length: 50 }, () => outcome(tickets.consume(ticket))));
    expect(all.filter((each) => typeof each === "object")).toHaveLength(1);
  });

  it("has 256 bits and never repeats", async () => {
    const { clock } = handClock();
    const tickets = new Tickets(clock);
    const sold = await Promise.all(Array.from({ length: 100 }, () => sell(tickets, user("alice"))));
    expect(new Set(sold.map(({ ticket }) => ticket)).size).toBe(100);
    for (const { ticket } of sold) expect(Buffer.from(ticket, "base64url")).toHaveLength(32);
  });

  it("lives 60 s and not longer", async () => {
    const { clock, pass } = handClock();
    const tickets = new Tickets(clock);
    const early = await sell(tickets, user("alice"));
    const late = await sell(tickets, user("alice"));
    expect(early.expiresAtMs).toBe(clock.now() + 60_000);
    pass(59_999);
    expect(await outcome(tickets.consume(early.ticket))).toEqual(user("alice"));
    pass(1);
    expect(await outcome(tickets.consume(late.ticket))).toBe("Unauthenticated");
  });

  it("ends with the credential that bought it", async () => {
    const { clock, pass } = handClock();
    const tickets = new Tickets(clock);
    const ends = clock.now() + 1_000;
    const { ticket, expiresAtMs } = await sell(tickets, user("alice", ends));
    expect(expiresAtMs).toBe(ends);
    pass(1_000);
    expect(await outcome(tickets.consume(ticket))).toBe("Unauthenticated");
  });

  it("is refused beyond what one user, or everybody, may hold; old ones make room", async () => {
    const { clock, pass } = handClock();
    const tickets = new Tickets(clock, { maxCount: 3, maxPerUser: 2 });
    await sell(tickets, user("alice"));
    const { ticket } = await sell(tickets, user("alice"));
    expect(await outcome(tickets.issue(user("alice")))).toBe("TooMany");
    await sell(tickets, user("bob"));
    expect(await outcome(tickets.issue(user("carol")))).toBe("TooMany");
    await outcome(tickets.consume(ticket));
    expect(await outcome(tickets.issue(user("alice")))).toHaveProperty("ticket");
    pass(60_000);
    expect(await outcome(tickets.issue(user("carol")))).toHaveProperty("ticket");
    expect(tickets.count).toBe(1);
  });

  it("is not known before it is sold", async () => {
    const { clock } = handClock();
    expect(await outcome(new Tickets(clock).consume("A".repeat(43)))).toBe("Unauthenticated");
  });
});
