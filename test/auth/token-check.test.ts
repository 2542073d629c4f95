import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import type { TokenCheck } from "../../src/auth/token-check.ts";
import { checkedBy } from "../../src/auth/token-check.ts";
import type { Clock } from "../../src/platform/clock.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { Journal } from "../../src/telemetry/journal.ts";

const nowMs = 1_000_000;
const hourMs = 3_600_000;
const clock: Clock = { ...systemClock, now: () => nowMs };

function asking(check: TokenCheck, token = "a-session") {
  const said: string[] = [];
  const journal: Journal = { write: (_level, what) => said.push(what) };
  const outcome = Effect.runPromise(
    Effect.match(checkedBy(check, clock, journal).authenticate(token), {
      onFailure: (error): unknown => error._tag,
      onSuccess: (principal): unknown => principal,
    }),
  );
  return { outcome, said };
}

describe("an application's token check", () => {
  it("names the user, in the default tenant and for an hour", async () => {
    expect(await asking((token) => ({ userId: `owner of ${token}` })).outcome).toEqual({
      kind: "user",
      tenantId: "default",
      userId: "owner of a-session",
      expiresAtMs: nowMs + hourMs,
    });
  });

  it("may name a tenant and an end, and take its time", async () => {
    const owner = { userId: "alice", tenantId: "acme", expiresAt: new Date(nowMs + 1) };
    expect(await asking(async () => owner).outcome).toMatchObject({ tenantId: "acme", expiresAtMs: nowMs + 1 });
  });

  it.each<[string, TokenCheck]>([
    ["it knows nobody", () => undefined],
    ["the user id is none", () => ({ userId: "" })],
    ["the tenant id is none", () => ({ userId: "alice", tenantId: "a\nb" })],
    ["the token is over", () => ({ userId: "alice", expiresAt: new Date(nowMs) })],
    ["the end is no date", () => ({ userId: "alice", expiresAt: new Date(Number.NaN) })],
  ])("lets nobody in when %s", async (_, check) => {
    expect(await asking(check).outcome).toBe("Unauthenticated");
  });

  it("is not asked about a token of absurd length", async () => {
    let asked = 0;
    const check: TokenCheck = () => {
      asked += 1;
      return { userId: "alice" };
    };
    expect(await asking(check, "x".repeat(16_385)).outcome).toBe("Unauthenticated");
    expect(asked).toBe(0);
  });

  it("that cannot tell now sends the client away to come back, and says so to the operator", async () => {
    const { outcome, said } = asking(() => Promise.reject(new Error("the session store is down")));
    expect(await outcome).toBe("NotAccepting");
    expect(said).toEqual(["auth.checkFailed"]);
  });
});
