import { describe, expect, it } from "vitest";
import type { Journal } from "../../src/telemetry/journal.ts";
import { KeptAudit } from "../support/kept-audit.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

async function world() {
  const audit = new KeptAudit();
  return { audit, ...(await runtimeUnderTest({ auditLog: audit })) };
}

describe("the trail of a connection", () => {
  it("leads from the check of its token over the welcome to the client's confirmation, once", async () => {
    const { audit, connect } = await world();
    const tab = await connect("alice@acme");
    tab.say({ type: "confirm" });
    tab.say({ type: "confirm" });
    const connectionId = tab.connection.id;
    expect(audit.entries.map(({ action, userId, connectionId: id }) => [action, userId, id])).toEqual([
      ["auth_validating", undefined, connectionId],
      ["auth_completed", "alice", connectionId],
      ["auth_confirmed", "alice", connectionId],
    ]);
  });

  it("shows the state after what the stream begins with, and nothing before the welcome", async () => {
    const { connect, start } = await world();
    await start();
    const tab = await connect("alice");
    expect(tab.frames.map(({ type }) => type)).toEqual(["welcome", "snapshot"]);
    expect(tab.transport.authStates).toEqual(["auth_completed"]);
  });

  it("names a refused token, a missing one, and silence; to the socket goes nothing but the close", async () => {
    const { audit, connect, open, clock, settle } = await world();
    const bad = await connect("bad");
    const none = await open();
    none.say({ type: "hello" });
    const silent = await open();
    await settle();
    await clock.advance(6_000);
    const reasons = audit.entries.filter(({ action }) => action === "auth_failed").map(({ details }) => details);
    expect(reasons.map((each) => each?.["reason"])).toEqual(["not_accepted", "no_credential", "no_hello"]);
    for (const tab of [bad, none, silent]) expect([tab.frames, tab.transport.authStates]).toEqual([[], []]);
  });

  it("shows no frame before the welcome, also when a line without an answer opens its breaker", async () => {
    const turned: unknown[] = [];
    const journal: Journal = {
      write: (_, what, fields) => void (what === "connection.breakerTurned" && turned.push(fields)),
    };
    const { clock, open, settle } = await runtimeUnderTest({ heartbeatMs: 200, helloMs: 60_000, journal });
    const early = await open();
    early.transport.answersPings = false;
    await clock.advance(10_000);
    await settle();
    expect(turned).toContainEqual({ connectionId: early.connection.id, state: "open" });
    expect(early.frames).toEqual([]);
  });

  it("names the end of a credential, whose it was, and says it on the socket", async () => {
    const { audit, connect, clock } = await world();
    const tab = await connect("alice");
    await clock.advance(3_600_000 + 1_000);
    expect(audit.entries.at(-1)).toMatchObject({
      action: "auth_failed",
      userId: "alice",
      details: { reason: "expired" },
    });
    expect(tab.transport.authStates).toEqual(["auth_completed", "auth_failed"]);
  });

  it("holds no token", async () => {
    const { audit, connect } = await world();
    await connect("canary-user");
    await connect("bad");
    expect(JSON.stringify(audit.entries.map(({ details }) => details))).not.toContain("canary");
  });
});
