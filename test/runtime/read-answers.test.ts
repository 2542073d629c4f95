import { describe, expect, it } from "vitest";
import { asRunId, asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import type { PublisherPrincipal } from "../../src/auth/principal.ts";
import { note } from "../support/events.ts";
import { runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const acme = asTenantId("acme");
const other = asTenantId("other");
const time = "2026-01-01T00:00:00.000Z";
const admin = (
  tenants: PublisherPrincipal["tenants"],
  ...rights: PublisherPrincipal["rights"]
): PublisherPrincipal => ({
  ...{ kind: "publisher", name: "admin", tenants },
  rights: rights.length === 0 ? ["admin"] : rights,
});

/** A dead letter for each of these owners. */
async function world() {
  const made = await runtimeUnderTest();
  for (const [tenantId, user] of [
    [acme, "alice"],
    [acme, "bob"],
    [other, "alice"],
  ] as const)
    await made.log.quarantine({
      ...{ stream: streamKey(tenantId, asUserId(user)), tenantId, runId: asRunId(`run of ${user}`) },
      ...{ type: "x.a", data: '{"n":1}', reason: "late", time },
    });
  const letters = async (caller: PublisherPrincipal, whose = {}, page = {}) => {
    const answer = await made.call(made.parts.service.deadLetters(caller, whose, { limit: 9, ...page }));
    return { ...answer, who: answer.entries.map(({ tenantId, userId }) => `${userId}@${tenantId}`) };
  };
  return { ...made, letters };
}

describe("dead letters", () => {
  it("are shown to an admin of all tenants, of one tenant, of one user and of one run", async () => {
    const { letters } = await world();
    expect((await letters(admin("*"))).who).toEqual(["alice@other", "bob@acme", "alice@acme"]);
    expect((await letters(admin("*"), { tenantId: acme })).who).toEqual(["bob@acme", "alice@acme"]);
    expect((await letters(admin([acme]))).who).toEqual(["bob@acme", "alice@acme"]);
    expect((await letters(admin("*"), { tenantId: acme, userId: "alice" })).who).toEqual(["alice@acme"]);
    expect((await letters(admin([acme, other]), { tenantId: other })).who).toEqual(["alice@other"]);
    expect((await letters(admin("*"), {}, { runId: asRunId("run of bob") })).who).toEqual(["bob@acme"]);
  });

  it("are read whole, in pages", async () => {
    const { letters } = await world();
    const first = await letters(admin("*"), {}, { limit: 2 });
    expect(first.who).toEqual(["alice@other", "bob@acme"]);
    const rest = await letters(admin("*"), {}, { limit: 2, before: first.next });
    expect([rest.who, rest.next]).toEqual([["alice@acme"], null]);
    expect(rest.entries).toEqual([
      {
        kind: "quarantined",
        tenantId: "acme",
        userId: "alice",
        runId: "run of alice",
        type: "x.a",
        data: { n: 1 },
        reason: "late",
        time,
      },
    ]);
  });

  it("are nobody's who may not administer, and no foreign tenant's (L8)", async () => {
    const { letters } = await world();
    await expect(letters(admin("*", "publish"))).rejects.toMatchObject({ _tag: "Forbidden" });
    await expect(letters(admin([acme]), { tenantId: other })).rejects.toMatchObject({ _tag: "Forbidden" });
    await expect(letters(admin([acme]), { tenantId: other, userId: "alice" })).rejects.toMatchObject({
      _tag: "Forbidden",
    });
  });
});

describe("a page of events", () => {
  async function aged() {
    const made = await runtimeUnderTest();
    const alice = streamKey(asTenantId("default"), asUserId("alice"));
    for (const [at, date] of [1, 1, 9].entries())
      await made.log.append({
        stream: alice,
        events: [{ id: `e${at}`, type: "x.a", time: `2026-01-0${date}T00:00:00.000Z`, data: "{}" }],
      });
    await made.log.retire({ before: "2026-01-05T00:00:00.000Z", now: time, maxEvents: 9 });
    const page = (after: number) =>
      made.call(made.parts.service.events(userOf("alice", made.clock.now()), {}, { after, limit: 9 }));
    return page;
  }

  it("says what retention took before it, and that a cursor is of another log", async () => {
    const page = await aged();
    expect(await page(0)).toMatchObject({
      events: [{ offset: 3 }],
      next: null,
      gap: { from: 1, upto: 2, reason: "retention" },
    });
    expect(await page(1)).toMatchObject({ gap: { from: 2, upto: 2, reason: "retention" } });
    expect(await page(2)).not.toHaveProperty("gap");
    expect(await page(3)).toEqual({ events: [], next: null });
    expect(await page(4)).toMatchObject({ gap: { from: 1, upto: 3, reason: "ahead" } });
  });
});

describe("the ledger", () => {
  it("is read for all by who may see all, for a user by that user, with acks that are not written yet", async () => {
    const { start, publish, connect, call, parts, clock } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, [note(), note()]);
    await start({ userId: "bob" });
    const tab = await connect("alice", { from: "start", device: "d" });
    tab.say({ type: "ack", offset: 2 });
    const own = { accepted: 3, acked: 2, stored: 1, deadLettered: 0, difference: 0 };
    expect(await call(parts.service.ledger(userOf("alice", clock.now()), {}))).toEqual(own);
    expect(await call(parts.service.ledger(admin("*"), { userId: asUserId("alice") }))).toEqual(own);
    expect(await call(parts.service.ledger(admin("*"), {}))).toMatchObject({ accepted: 4, difference: 0 });
    await expect(call(parts.service.ledger(admin("*", "publish"), {}))).rejects.toMatchObject({ _tag: "Forbidden" });
    await expect(call(parts.service.ledger(admin([acme]), {}))).rejects.toMatchObject({ _tag: "InvalidInput" });
  });
});

describe("the answer to a publish", () => {
  it("says that somebody asked the run to stop, and nothing of it before", async () => {
    const { start, publish, call, parts, clock } = await runtimeUnderTest();
    const { runId } = await start();
    expect(await publish(runId, 1, [note()])).not.toHaveProperty("cancelRequested");
    await call(parts.service.cancel(userOf("alice", clock.now()), undefined, asRunId(runId), {}));
    expect(await publish(runId, 1, [note()])).toMatchObject({ cancelRequested: true });
  });
});
