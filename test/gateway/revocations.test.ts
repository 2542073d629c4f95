import { request } from "node:http";
import { json } from "node:stream/consumers";
import type { IncomingMessage } from "node:http";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KeptAudit } from "../support/kept-audit.ts";
import { SseStream } from "../support/sse-stream.ts";
import type { House } from "./support/house.ts";
import { keys, openHouse, token } from "./support/house.ts";
import { hello, openSocket } from "./support/socket.ts";

let house: House;
let audit: KeptAudit;
beforeEach(async () => {
  audit = new KeptAudit();
  house = await openHouse({ runtime: { auditLog: audit } });
});
afterEach(() => house.close());

const revoke = (body: unknown, as: string = keys.admin) => house.call("POST", "/v1/revocations", { as, body });
const statusOf = async (method: string, path: string, as: string, body?: unknown) =>
  (await house.call(method, path, { as, body })).status;

describe("POST /v1/revocations", () => {
  it("cuts a user's sockets, streams and tickets, and refuses what they hold", async () => {
    const alice = await token("alice");
    const bob = await hello(house.url, await token("bob"));
    const tab = await hello(house.url, alice);
    const stream = await SseStream.open(house.url, alice);
    await stream.until(({ type }) => type === "welcome");
    const { ticket } = (await house.call("POST", "/v1/tickets", { as: alice, body: {} })).body;
    const startMs = performance.now();
    const { status, body } = await revoke({ userId: "alice", reason: "stolen phone" });
    expect([status, body]).toEqual([200, { connections: 2, tickets: 1, notices: 0 }]);
    expect(await tab.ended).toEqual({ code: 4401, reason: "revoked" });
    await stream.untilAuth("auth_revoked");
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(tab.authStates).toEqual(["auth_completed", "auth_revoked"]);
    expect(await statusOf("GET", "/v1/runs", alice)).toBe(401);
    expect(await statusOf("POST", "/v1/tickets", alice, {})).toBe(401);
    await expect(hello(house.url, alice)).rejects.toThrow();
    await expect(openSocket(house.url, { path: `/v1/ws?ticket=${ticket}` })).rejects.toMatchObject({ status: 401 });
    expect(bob.raw.readyState).toBe(bob.raw.OPEN);
    await bob.close();
  });

  it("sends a publisher's key away at once, until it is lifted", async () => {
    expect(await statusOf("POST", "/v1/runs", keys.publisher, { userId: "alice", agent: "a" })).toBe(201);
    await revoke({ key: "publisher" });
    const refused = await house.call("POST", "/v1/runs", { as: keys.publisher, body: { userId: "alice", agent: "a" } });
    expect([refused.status, refused.body.error.message]).toEqual([401, "the credential was revoked"]);
    const lifted = await house.call("POST", "/v1/revocations/lift", { as: keys.admin, body: { key: "publisher" } });
    expect(lifted.body).toEqual({ lifted: true });
    expect(await statusOf("POST", "/v1/runs", keys.publisher, { userId: "alice", agent: "a" })).toBe(201);
    expect(
      audit.entries.filter(({ by }) => by === "key:admin").map(({ action, details }) => [action, details]),
    ).toEqual([
      ["auth_revoked", { what: "key", key: "publisher" }],
      ["revocation_lifted", { what: "key", key: "publisher" }],
    ]);
  });

  it("refuses a call whose body was on the way when its caller was revoked, and carries nothing out", async () => {
    const slow = request(`${house.url}/v1/runs`, {
      method: "POST",
      headers: { authorization: `Bearer ${keys.publisher}`, "transfer-encoding": "chunked" },
    });
    const body = JSON.stringify({ userId: "alice", agent: "a", runId: "late" });
    slow.write(body.slice(0, 10));
    // Its head has been handled when a later call on another connection is answered.
    await house.call("GET", "/v1/runs?userId=alice", { as: keys.admin });
    await revoke({ key: "publisher" });
    slow.end(body.slice(10));
    const [answer] = (await once(slow, "response")) as [IncomingMessage];
    expect(answer.statusCode).toBe(401);
    expect(await json(answer)).toMatchObject({ error: { code: "unauthenticated" } });
    expect(await statusOf("GET", "/v1/runs/late", keys.admin)).toBe(404);
  });

  it.each([
    [{}, "must name one of userId, sessionId and key"],
    [{ userId: "alice", key: "publisher" }, "must name one of userId, sessionId and key"],
    [{ user: "alice" }, "user"],
  ])("refuses %j with 400", async (body, why) => {
    const answer = await revoke(body);
    expect([answer.status, answer.body.error.code]).toEqual([400, "invalid"]);
    expect(answer.body.error.message).toContain(why);
  });

  it("is for admins, each in their tenants", async () => {
    expect((await revoke({ userId: "alice" }, keys.publisher)).status).toBe(403);
    expect((await revoke({ userId: "alice" }, await token("alice"))).status).toBe(403);
    expect((await revoke({ userId: "alice", tenantId: "globex" }, keys.acme)).status).toBe(403);
    expect((await revoke({ key: "publisher" }, keys.acme)).status).toBe(403);
    expect((await revoke({ userId: "alice" }, keys.acme)).status).toBe(200);
    await revoke({ userId: "carol" });
    const list = async (as: string) =>
      (await house.call("GET", "/v1/revocations", { as })).body.revocations.map(
        ({ tenantId, userId }: { tenantId: string; userId: string }) => `${tenantId}/${userId}`,
      );
    expect(await list(keys.acme)).toEqual(["acme/alice"]);
    expect(await list(keys.admin)).toEqual(["acme/alice", "default/carol"]);
  });
});

describe("the audit log of the doors", () => {
  const failures = () =>
    audit.entries
      .filter(({ action }) => action === "auth_failed")
      .map(({ details }) => [details?.["via"], details?.["reason"], details?.["network"]]);
  const here = "127.0.0.0/24";

  it("names what is refused before the upgrade, over SSE and over HTTP, by reason and network", async () => {
    const bad = { headers: { authorization: "Bearer nonsense" } };
    await expect(openSocket(house.url, bad)).rejects.toMatchObject({ status: 401 });
    await expect(openSocket(house.url, { path: "/v1/ws?ticket=none" })).rejects.toMatchObject({ status: 401 });
    await expect(openSocket(house.url, { path: "/v1/ws?token=x" })).rejects.toMatchObject({ status: 401 });
    await expect(openSocket(house.url, { origin: "https://evil.example" })).rejects.toMatchObject({ status: 403 });
    await expect(SseStream.open(house.url, "nonsense")).rejects.toThrow("401");
    await house.call("GET", "/v1/stream");
    await house.call("POST", "/v1/runs", { as: "no-such-key", body: {} });
    await house.call("GET", "/v1/runs");
    await house.call("GET", "/v1/audit", { as: keys.publisher });
    await house.call("GET", "/v1/runs?access_token=x");
    await house.call("GET", "/v1/runs", { as: await token("alice", undefined, -60_000) });
    expect(failures()).toEqual([
      ["websocket", "not_accepted", here],
      ["websocket", "ticket", here],
      ["websocket", "url_token", here],
      ["websocket", "origin", here],
      ["sse", "not_accepted", here],
      ["sse", "no_credential", here],
      ["http", "not_accepted", here],
      ["http", "no_credential", here],
      ["http", "forbidden", here],
      ["http", "url_token", here],
      ["http", "expired", here],
    ]);
  });

  it("follows a connection from its first byte to the client's confirmation, by every way in", async () => {
    const alice = await token("alice");
    const { ticket } = (await house.call("POST", "/v1/tickets", { as: alice, body: {} })).body;
    const ways = [
      () => openSocket(house.url, { headers: { authorization: `Bearer ${alice}` } }),
      () => openSocket(house.url, { protocols: ["runcast.v1", `bearer.${alice}`] }),
      () => openSocket(house.url, { path: `/v1/ws?ticket=${ticket}` }),
    ];
    for (const way of ways) {
      const before = audit.entries.length;
      const socket = await way();
      socket.send({ type: "hello" });
      await socket.nextOf("welcome");
      socket.send({ type: "confirm" });
      socket.send({ type: "ping", ref: 1 });
      await socket.nextOf("pong");
      expect(audit.actions().slice(before)).toEqual([
        "auth_started",
        "auth_validating",
        "auth_completed",
        "auth_confirmed",
      ]);
      await socket.close();
    }
  });

  it("says nothing of calls that succeed", async () => {
    await house.startRun();
    await house.call("GET", "/v1/runs", { as: await token("alice") });
    expect(audit.entries).toEqual([]);
  });
});
