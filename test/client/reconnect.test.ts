import { describe, expect, it } from "vitest";
import type { ClientStopped } from "../../src/client/client-error.ts";
import type { TokenRequest } from "../../src/client/options.ts";
import { clientUnderTest, take, untilState, untilStatus, welcomed } from "../support/client-under-test.ts";
import { oneRun } from "../support/sample-stream.ts";
import { epochA, welcome } from "../support/scripted-server.ts";

const log = oneRun("r-1", 4);

describe("client reconnect", () => {
  it("waits a random part of a ceiling that doubles up to 10 s (full jitter)", async () => {
    const waits: number[] = [];
    await using world = await clientUnderTest({ token: () => Promise.reject(new Error("no network")) });
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      const status = await untilStatus(world.client, (now) => now.state === "waiting" && now.attempt === attempt);
      waits.push(status.retryInMs ?? -1);
      world.timers.advance(status.retryInMs ?? 0);
    }
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(world.client.status.lastError?.message).toBe("no network");
    expect(world.server.connectionCount).toBe(0);
  });

  it("spreads over the whole ceiling", async () => {
    for (const [random, retryInMs] of [
      [0, 0],
      [0.999, 200],
    ] as const) {
      await using world = await clientUnderTest({
        token: () => Promise.reject(new Error("later")),
        random: () => random,
      });
      expect((await untilState(world.client, "waiting")).retryInMs).toBe(retryInMs);
    }
  });

  it("begins small again only after a connection that held: a welcome alone is no proof", async () => {
    await using world = await clientUnderTest({ from: "start" });
    for (const attempt of [1, 2, 3]) {
      const connection = await welcomed(world.server, { resumed: attempt === 1 ? "fresh" : "replayed" });
      await untilState(world.client, "live");
      connection.close(1011);
      const { retryInMs } = await untilStatus(world.client, (now) => now.state === "waiting");
      expect([attempt, retryInMs]).toEqual([attempt, 100 * 2 ** (attempt - 1)]);
      world.timers.advance(retryInMs ?? 0);
    }
    const last = await welcomed(world.server, { resumed: "replayed" });
    await untilState(world.client, "live");
    world.timers.advance(5_000);
    last.close(1011);
    expect((await untilState(world.client, "waiting")).retryInMs).toBe(100);
  });

  it("stays away as long as goodbye asks, and a random part longer", async () => {
    await using world = await clientUnderTest();
    const connection = await welcomed(world.server);
    connection.send({ type: "goodbye", reason: "deploy", retryAfterMs: 3_000 });
    connection.close(1012);
    expect((await untilState(world.client, "waiting")).retryInMs).toBe(3_100);
    world.timers.advance(3_099);
    expect(world.client.status.state).toBe("waiting");
    world.timers.advance(1);
    await welcomed(world.server, { resumed: "replayed" });
    await untilState(world.client, "live");
  });

  it.each([
    [4400, "bad frame"],
    [4403, "forbidden"],
    [4409, "replaced"],
    [4426, "version"],
  ])("stops on %i, ends its loops with the reason, and can be started again", async (code, reason) => {
    await using world = await clientUnderTest();
    const events = world.client.events();
    const run = world.client.run("r-1");
    const done = run.done;
    const connection = await welcomed(world.server);
    connection.close(code, reason);
    const error = (await events.next().catch((cause: unknown) => cause)) as ClientStopped;
    expect([error.name, error.reason, error.closeCode]).toEqual(["ClientStopped", "refused", code]);
    await expect(done).rejects.toThrow(error.message);
    expect(world.client.status).toMatchObject({ state: "stopped", lastError: { message: reason } });
    world.client.start();
    await welcomed(world.server, { resumed: "replayed" });
    await untilState(world.client, "live");
  });

  it("takes a server that answers nothing for gone: no welcome, or no pong", async () => {
    await using world = await clientUnderTest();
    const silent = await world.server.connection();
    await silent.frame("hello");
    world.timers.advance(10_000);
    await silent.closed;
    world.timers.advance(100);
    const connection = await welcomed(world.server, { heartbeatMs: 2_000 });
    await untilState(world.client, "live");
    world.timers.advance(2_000);
    await connection.frame("ping");
    connection.send({ type: "pong" });
    await connection.settled();
    world.timers.advance(6_000);
    await connection.closed;
    expect(world.client.status.lastError?.message).toContain("no longer answers");
  });

  it("stays away while it is held offline, and comes back by itself", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const first = await welcomed(world.server, { head: 2 });
    first.events(log.slice(0, 2));
    await untilStatus(world.client, ({ cursor }) => cursor?.offset === 2);
    world.client.cut(4_000);
    expect(world.client.status.state).toBe("offline");
    await first.closed;
    world.timers.advance(4_000);
    const second = await world.server.connection();
    expect((await second.frame("hello")).cursor).toEqual({ epoch: epochA, offset: 2 });
  });

  it("goes on at its cursor after a cut at any frame", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const events = world.client.events();
    const seen: number[] = [];
    for (let frame = 0; frame < log.length; frame += 1) {
      const connection = await world.server.connection();
      const hello = await connection.frame("hello");
      expect(hello.cursor?.offset ?? 0).toBe(frame);
      connection.send(welcome({ resumed: frame === 0 ? "fresh" : "replayed", head: log.length }));
      connection.events(log.slice(frame, frame + 1));
      seen.push(...(await take(events, 1)).map(({ offset }) => offset));
      connection.cut();
      const { retryInMs } = await untilState(world.client, "waiting");
      world.timers.advance(retryInMs ?? 0);
    }
    expect(seen).toEqual(log.map(({ offset }) => offset));
    expect(world.client.run("r-1").view?.state).toBe("completed");
  });
});

describe("client token", () => {
  it("is renewed on the living connection, before it runs out (LESSON 44)", async () => {
    const asked: TokenRequest[] = [];
    await using world = await clientUnderTest({
      token: (ask) => {
        asked.push(ask);
        return `token-${asked.length}`;
      },
    });
    const connection = await welcomed(world.server);
    connection.send({ type: "auth_expiring", inMs: 30_000 });
    expect(await connection.frame("auth")).toEqual({ type: "auth", token: "token-2" });
    expect(asked).toEqual([{ stale: false }, { stale: true }]);
    expect(world.server.connectionCount).toBe(1);
  });

  it("is asked for again when the callback fails, and not without pause when tokens live short", async () => {
    let calls = 0;
    await using world = await clientUnderTest({
      token: () => {
        calls += 1;
        return calls === 2 ? Promise.reject(new Error("busy")) : `token-${calls}`;
      },
    });
    const connection = await welcomed(world.server);
    connection.send({ type: "auth_expiring", inMs: 30_000 });
    await untilStatus(world.client, ({ lastError }) => lastError?.message === "busy");
    await connection.settled();
    world.timers.advance(2_000);
    expect((await connection.frame("auth")).token).toBe("token-3");
    connection.send({ type: "auth_expiring", inMs: 1 }, { type: "auth_expiring", inMs: 1 });
    await connection.settled();
    expect(calls).toBe(3);
    world.timers.advance(5_000);
    expect((await connection.frame("auth")).token).toBe("token-4");
  });

  it("is asked for anew after 4401, at once", async () => {
    const asked: boolean[] = [];
    await using world = await clientUnderTest({
      token: ({ stale }) => {
        asked.push(stale);
        return "token";
      },
    });
    const first = await welcomed(world.server);
    await untilState(world.client, "live");
    first.close(4401, "token expired");
    await welcomed(world.server, { resumed: "replayed" });
    await untilState(world.client, "live");
    expect(asked).toEqual([false, true]);
  });

  it("stops the client when two in a row are refused", async () => {
    await using world = await clientUnderTest();
    const events = world.client.events();
    for (let refusal = 1; refusal <= 2; refusal += 1) {
      const connection = await world.server.connection();
      await connection.frame("hello");
      connection.close(4401);
      await connection.closed;
      if (refusal === 1) await untilState(world.client, "waiting");
      world.timers.advance(200);
    }
    await untilState(world.client, "stopped");
    await expect(events.next()).rejects.toMatchObject({ name: "ClientStopped", reason: "unauthenticated" });
    expect(world.server.connectionCount).toBe(2);
  });
});
