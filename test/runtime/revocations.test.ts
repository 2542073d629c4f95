import { describe, expect, it } from "vitest";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import type { UserPrincipal } from "../../src/auth/principal.ts";
import { Unauthenticated } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { RevocationTarget } from "../../src/runtime/revocation.ts";
import { targetKey } from "../../src/runtime/revocation.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { KeptAudit } from "../support/kept-audit.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

/** Tokens are JSON of what they say. */
function world(options: { readonly log?: EventLog; readonly clock?: ReturnType<typeof manualClock> } = {}) {
  const clock = options.clock ?? manualClock();
  const audit = new KeptAudit();
  const authenticate = async (token: string): Promise<UserPrincipal> => {
    const { user, tenant = "default", sid, iat } = JSON.parse(token);
    if (user === undefined) throw new Unauthenticated({ message: "no user" });
    return {
      kind: "user",
      userId: asUserId(user),
      tenantId: asTenantId(tenant),
      sessionId: sid,
      issuedAtMs: iat,
      expiresAtMs: clock.now() + 3_600_000,
    };
  };
  return runtimeUnderTest({ ...options, clock, auditLog: audit, authenticate }).then((runtime) => ({
    ...runtime,
    audit,
    clock,
    token: (user: string, more: object = {}) => JSON.stringify({ user, iat: clock.now() - 1, ...more }),
    revoke: (body: object) => runtime.call(runtime.parts.service.revoke(publisher, body)),
    lift: (body: object) => runtime.call(runtime.parts.service.liftRevocation(publisher, body)),
  }));
}

const revokedEnding = { code: 4401, reason: "revoked" };

describe("a revocation of a user", () => {
  it("cuts all that is live of them and of nobody else, and says so on the socket first", async () => {
    const { connect, open, token, revoke, settle, audit } = await world();
    const tabs = [await connect(token("alice")), await connect(token("alice"))];
    const stream = await open({ kind: "sse" });
    stream.say({ type: "hello", token: token("alice") });
    const others = [await connect(token("bob")), await connect(token("alice", { tenant: "acme" }))];
    await settle();
    expect(await revoke({ userId: "alice", reason: "left the company" })).toEqual({
      connections: 3,
      tickets: 0,
      notices: 0,
    });
    for (const { transport } of [...tabs, stream]) {
      expect(transport.ended).toEqual(revokedEnding);
      expect(transport.authStates).toEqual(["auth_completed", "auth_revoked"]);
    }
    for (const { transport } of others) expect(transport.ended).toBeUndefined();
    const written = audit.entries.filter(({ action }) => action === "auth_revoked");
    expect(written[0]).toMatchObject({
      userId: "alice",
      by: "key:test",
      details: { what: "user", reason: "left the company" },
    });
    expect(written.slice(1).map(({ connectionId }) => connectionId)).toEqual(
      [...tabs, stream].map(({ connection }) => connection.id),
    );
  });

  it("cuts who has shown a credential and has not said hello yet", async () => {
    const { open, clock, revoke } = await world();
    const principal: UserPrincipal = {
      kind: "user",
      userId: asUserId("alice"),
      tenantId: asTenantId("default"),
      expiresAtMs: clock.now() + 60_000,
    };
    const early = await open({ principal });
    expect(await revoke({ userId: "alice" })).toMatchObject({ connections: 1 });
    expect(early.transport.ended).toEqual(revokedEnding);
    expect(early.frames).toEqual([]);
  });

  it("refuses tokens of before, and those that do not say when they were issued; later ones are good", async () => {
    const { connect, token, revoke, clock } = await world();
    const before = token("alice");
    await revoke({ userId: "alice" });
    await clock.advance(10_000);
    expect((await connect(before)).transport.ended).toEqual(revokedEnding);
    expect((await connect(token("alice", { iat: undefined }))).transport.ended).toEqual(revokedEnding);
    expect((await connect(token("alice"))).of("welcome")).toHaveLength(1);
  });

  it("refuses a renewal with a token of before", async () => {
    const { connect, token, revoke, clock, settle } = await world();
    const before = token("alice");
    await revoke({ userId: "alice" });
    await clock.advance(10_000);
    const tab = await connect(token("alice"));
    tab.say({ type: "auth", token: before });
    await settle();
    expect(tab.transport.ended).toEqual(revokedEnding);
  });

  it("holds for a token that was on its way through the check when it was made", async () => {
    const log = memoryLog();
    const gate = Promise.withResolvers<void>();
    const slow: EventLog = {
      ...log,
      position: async (stream) => {
        await gate.promise;
        return log.position(stream);
      },
    };
    const { open, token, revoke, settle } = await world({ log: slow });
    const tab = await open();
    tab.say({ type: "hello", token: token("alice"), cursor: { epoch: "e", offset: 1 } });
    await settle();
    const revoked = revoke({ userId: "alice" });
    gate.resolve();
    await revoked;
    await settle();
    expect(tab.transport.ended).toEqual(revokedEnding);
    expect(tab.frames).toEqual([]);
  });

  it("survives a restart, is listed, and can be lifted", async () => {
    const log = memoryLog();
    const clock = manualClock();
    const first = await world({ log, clock });
    const before = first.token("alice");
    await first.revoke({ userId: "alice", reason: "lost laptop" });
    await first.revoke({ key: "agents" });
    const { parts, call, connect, lift, audit } = await world({ log, clock });
    await parts.prepare();
    const { service } = parts;
    expect((await connect(before)).transport.ended).toEqual(revokedEnding);
    const listed = await call(service.standingRevocations(publisher, { limit: 1 }));
    expect(listed.revocations).toMatchObject([{ key: "agents", by: "key:test" }]);
    const rest = await call(service.standingRevocations(publisher, { limit: 9, after: listed.next ?? undefined }));
    expect(rest).toMatchObject({ revocations: [{ userId: "alice", reason: "lost laptop" }], next: null });
    expect(await lift({ userId: "alice" })).toEqual({ lifted: true });
    expect(await lift({ userId: "alice" })).toEqual({ lifted: false });
    expect(audit.actions()).toContain("revocation_lifted");
    expect((await connect(before)).of("welcome")).toHaveLength(1);
  });

  it("that cannot be kept cuts all the same, and says that it is not kept", async () => {
    const log = memoryLog();
    const broken: EventLog = { ...log, putDocument: () => Promise.reject(new Error("the disk")) };
    const { connect, token, revoke } = await world({ log: broken });
    const tab = await connect(token("alice"));
    await expect(revoke({ userId: "alice" })).rejects.toThrow();
    expect(tab.transport.ended).toEqual(revokedEnding);
  });

  it("reaches who serves the same store within a second", async () => {
    const log: EventLog = { ...memoryLog(), isShared: true };
    const clock = manualClock();
    const here = await world({ log, clock });
    const there = await world({ log, clock });
    await there.parts.prepare();
    const tab = await there.connect(there.token("alice"));
    await here.revoke({ userId: "alice" });
    expect(tab.transport.ended).toBeUndefined();
    await clock.advance(1_000);
    expect(tab.transport.ended).toEqual(revokedEnding);
    const old = there.token("alice", { iat: 1 });
    await here.lift({ userId: "alice" });
    await clock.advance(1_000);
    expect((await there.connect(old)).of("welcome")).toHaveLength(1);
  });

  it("waits for whoever drops notices elsewhere, and goes on when one of them fails", async () => {
    const { parts, revoke } = await world();
    parts.service.revocations.onRevoked(() => Promise.reject(new Error("broken")));
    parts.service.revocations.onRevoked(async ({ what }) => ({ notices: what === "user" ? 4 : 0 }));
    expect(await revoke({ userId: "alice" })).toEqual({ connections: 0, tickets: 0, notices: 4 });
  });
});

describe("a revocation of a session", () => {
  it("cuts and refuses that session, and no other of the user", async () => {
    const { connect, token, revoke } = await world();
    const phone = await connect(token("alice", { sid: "phone" }));
    const laptop = await connect(token("alice", { sid: "laptop" }));
    const bare = await connect(token("alice"));
    expect(await revoke({ sessionId: "phone" })).toMatchObject({ connections: 1 });
    expect(phone.transport.ended).toEqual(revokedEnding);
    for (const { transport } of [laptop, bare]) expect(transport.ended).toBeUndefined();
    expect((await connect(token("alice", { sid: "phone", iat: Number.MAX_SAFE_INTEGER }))).transport.ended).toEqual(
      revokedEnding,
    );
  });
});

describe("the key of a revocation", () => {
  it("is another for every target, whatever stands in the ids", () => {
    const ids = ["a", "b", "a:b", ":", "1:a", "user", "session:1:a"];
    const targets: RevocationTarget[] = ids.flatMap((tenant) =>
      ids.flatMap((name) => [
        { what: "user" as const, tenantId: asTenantId(tenant), userId: asUserId(name) },
        { what: "session" as const, tenantId: asTenantId(tenant), sessionId: name },
        { what: "key" as const, key: `${tenant}${name}` },
      ]),
    );
    const distinct = new Set(targets.map((target) => JSON.stringify(target)));
    expect(new Set(targets.map(targetKey)).size).toBe(distinct.size);
  });
});
