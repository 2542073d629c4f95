import * as Effect from "effect/Effect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditEntry } from "../../src/auth/audit-log.ts";
import { silentAuditLog } from "../../src/auth/audit-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import type { RuntimeParts } from "../../src/runtime/runtime-parts.ts";
import { userOf } from "../support/runtime-under-test.ts";
import type { House } from "./support/house.ts";
import { keys, openHouse, token } from "./support/house.ts";
import { hello } from "./support/socket.ts";

let house: House;
let parts: RuntimeParts;
let audited: AuditEntry[];
beforeEach(async () => {
  audited = [];
  parts = makeRuntime({
    auditLog: { ...silentAuditLog, record: (entry) => audited.push(entry) },
    log: memoryLog(),
    authenticate: async (given) => userOf(given, Date.now()),
    breakers: { log: { maxFailures: 2 }, email: { maxFailures: 1, openMs: 60_000, probeCount: 1 } },
  });
  await parts.start();
  house = await openHouse({ gateway: { runtime: parts.service } });
});
afterEach(async () => {
  await Effect.runPromise(parts.service.drain);
  await house.close();
});

const failing = (name: string, count: number): void => {
  for (let call = 0; call < count; call += 1) parts.breakers.of(name).enter()?.failed();
};
const read = async () => (await house.call("GET", "/v1/breakers", { as: keys.admin })).body;
const named = async (name: string) =>
  (await read()).breakers.find((breaker: { readonly name: string }) => breaker.name === name);

describe("GET /v1/breakers", () => {
  it("shows each with its state, its health and its settings, and the weakest for all", async () => {
    failing("log", 1);
    failing("email", 1);
    const answer = await read();
    expect(answer).toMatchObject({ health: 0, connections: { open: 0, halfOpen: 0, closed: 0, lowestHealth: 100 } });
    expect(await named("log")).toEqual({
      name: "log",
      state: "closed",
      health: 75,
      failures: 1,
      openedCount: 0,
      changedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      settings: { maxFailures: 2, openMs: 30_000, probeCount: 2 },
    });
    expect(await named("email")).toMatchObject({
      state: "open",
      health: 0,
      openedCount: 1,
      retryAfterMs: expect.any(Number),
      settings: { maxFailures: 1, openMs: 60_000, probeCount: 1 },
    });
  });

  it("counts the connections by the state of theirs", async () => {
    const socket = await hello(house.url, await token("alice"));
    await socket.nextOf("welcome");
    expect((await read()).connections).toEqual({ open: 0, halfOpen: 0, closed: 1, lowestHealth: 100 });
    await socket.close();
  });

  it("is for admins", async () => {
    const callers = [undefined, await token("alice"), keys.publisher, keys.acme];
    const answers = await Promise.all(callers.map((as) => house.call("GET", "/v1/breakers", { as })));
    expect(answers.map(({ status }) => status)).toEqual([401, 403, 403, 200]);
  });
});

describe("POST /v1/breakers/{name}/reset", () => {
  const reset = (name: string, as: string | undefined = keys.admin, body?: unknown) =>
    house.call("POST", `/v1/breakers/${name}/reset`, { as, body });

  it("closes it and answers with it", async () => {
    failing("email", 1);
    const { status, body } = await reset("email");
    expect(status).toBe(200);
    expect(body).toMatchObject({ name: "email", state: "closed", health: 100, failures: 0, openedCount: 1 });
    expect(body).not.toHaveProperty("retryAfterMs");
    expect(parts.breakers.of("email").lets).toBe(true);
    expect(audited).toEqual([
      {
        action: "breaker_reset",
        by: "key:admin",
        details: { breaker: "email", state: "open", failures: 0 },
      },
    ]);
  });

  it("answers 404 for a name that is none, and makes none of it", async () => {
    for (const name of ["telegraph", "connection", "constructor", "%2e"]) expect((await reset(name)).status).toBe(404);
    expect(await named("telegraph")).toBeUndefined();
  });

  it("is for admins of every tenant, and leaves it as it is for all others", async () => {
    failing("email", 1);
    const callers = [await token("alice"), keys.publisher, keys.acme];
    expect(await Promise.all(callers.map(async (as) => (await reset("email", as)).status))).toEqual([403, 403, 403]);
    expect((await house.call("POST", "/v1/breakers/email/reset")).status).toBe(401);
    expect((await reset("email", keys.admin, { name: "log" })).status).toBe(400);
    expect(parts.breakers.of("email").state).toBe("open");
    expect(audited.filter(({ action }) => action !== "auth_failed")).toEqual([]);
  });
});

describe("a breaker that concerns users", () => {
  it.each(["log", "spool"])("is told to everybody when it turns: %s", async (channel) => {
    const sockets = await Promise.all(["alice", "bob"].map(async (user) => hello(house.url, await token(user))));
    for (const socket of sockets) await socket.nextOf("welcome");
    failing(channel, 5);
    await house.call("POST", `/v1/breakers/${channel}/reset`, { as: keys.admin });
    for (const socket of sockets) {
      expect(await socket.nextOf("status")).toEqual({ type: "status", channel, state: "open" });
      expect(await socket.nextOf("status")).toEqual({ type: "status", channel, state: "closed" });
      await socket.close();
    }
  });

  it("is told after welcome to who comes while it is not closed, and to nobody before", async () => {
    failing("log", 2);
    const socket = await hello(house.url, await token("alice"));
    expect((await socket.next()).type).toBe("welcome");
    expect(await socket.next()).toEqual({ type: "status", channel: "log", state: "open" });
    await socket.close();
    parts.breakers.of("log").reset();
    const later = await hello(house.url, await token("alice"));
    expect([(await later.next()).type, (await later.next()).type]).toEqual(["welcome", "snapshot"]);
    await later.close();
  });

  it("is nothing to users when it stands before a channel of operators", async () => {
    const socket = await hello(house.url, await token("alice"));
    await socket.nextOf("snapshot");
    failing("email", 1);
    failing("log", 2);
    expect(await socket.nextOf("status")).toEqual({ type: "status", channel: "log", state: "open" });
    await socket.close();
  });
});
