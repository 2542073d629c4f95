import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hello, openSocket, refusedSocket } from "../../gateway/support/socket.ts";
import { userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { eventually } from "../../support/eventually.ts";
import { expectSettled, expectWhole, NetworkWorld } from "../../support/network-world.ts";
import { SseStream } from "../../support/sse-stream.ts";

const heartbeatMs = 1_000;
const leaseMs = 3_600_000;
/** More than a dead connection would be given. */
const idleHeartbeats = 4;
const unavailable = 503;

let world: NetworkWorld;
beforeAll(async () => {
  world = await NetworkWorld.open({ env: { RUNCAST_HEARTBEAT_MS: String(heartbeatMs) } });
});
afterAll(() => world[Symbol.asyncDispose]());

const soon = (seconds: number): number => Math.ceil(Date.now() / 1_000) + seconds;

describe.concurrent("a resume with nothing to replay", () => {
  it("brings nothing, three times in a row and after a silence of many heartbeats, and then the next event (I7)", async () => {
    const run = await world.box.start({ userId: "zero", leaseMs });
    const token = await userToken("zero");
    const cursor = { epoch: run.epoch, offset: 1 };
    const headers = { "last-event-id": `${run.epoch}:1` };
    for (let round = 0; round < 3; round += 1) {
      const socket = await hello(world.box.url, token, { cursor, device: "d" });
      expect(await socket.next()).toMatchObject({ type: "welcome", resumed: "replayed", head: 1 });
      socket.send({ type: "ping", ref: round });
      expect(await socket.next()).toEqual({ type: "pong", ref: round });
      await socket.close();
      const stream = await SseStream.open(world.box.url, token, "", headers);
      expect(await stream.until(() => true)).toMatchObject({ type: "welcome", resumed: "replayed", head: 1 });
      stream.close();
    }
    const socket = await hello(world.box.url, token, { cursor, device: "d" });
    const stream = await SseStream.open(world.box.url, token, "", headers);
    await stream.until(() => true);
    for (let beat = 0; beat < idleHeartbeats; beat += 1) await once(socket.raw, "ping");
    expect(socket.frames.map(({ type }) => type)).toEqual(["welcome"]);
    expect(stream.frames.map(({ type }) => type)).toEqual(["welcome"]);
    await world.say(run, "after the silence");
    expect(await socket.nextOf("events")).toMatchObject({ after: 1, upto: 2 });
    expect(await stream.until(({ type }) => type === "events")).toMatchObject({ after: 1, upto: 2 });
    expect(stream.frames).toHaveLength(2);
    stream.close();
    await socket.close();
  });

  it("is not what a client makes that has nothing to do: it stays connected through the silence", async () => {
    const run = await world.box.start({ userId: "calm", leaseMs });
    const tab = collect("calm", { url: world.proxy.url, from: "start" });
    await tab.has(1);
    const { connectionId } = tab.client.status;
    const clock = await hello(world.box.url, await userToken("clock"));
    for (let beat = 0; beat < idleHeartbeats; beat += 1) await once(clock.raw, "ping");
    await tab.has(await world.say(run, "after the silence"));
    expect(tab.client.status).toMatchObject({ state: "live", connectionId });
    await expectWhole(world, tab, "calm", run);
    tab.client.close();
    await clock.close();
  });

  it("goes on at the same place when the token had run out meanwhile (I7, I10)", async () => {
    const run = await world.box.start({ userId: "late", leaseMs });
    const cursor = { epoch: run.epoch, offset: 1 };
    const short = await userToken("late", { exp: soon(1) });
    const socket = await hello(world.box.url, short, { cursor });
    const stream = await SseStream.open(world.box.url, short, `?cursor=${run.epoch}:1`);
    expect((await socket.ended).code).toBe(4401);
    await expect(stream.until(({ type }) => type === "snapshot")).rejects.toThrow("the stream ended");
    await expect(SseStream.open(world.box.url, short, `?cursor=${run.epoch}:1`)).rejects.toThrow("401");
    await world.say(run, "while nobody listened");
    const token = await userToken("late");
    const back = await hello(world.box.url, token, { cursor });
    expect(await back.next()).toMatchObject({ type: "welcome", resumed: "replayed", head: 2 });
    expect(await back.nextOf("events")).toMatchObject({ after: 1, upto: 2 });
    await back.close();
    // The library renews its token on the living connection, or comes back; its application notices nothing.
    const tab = collect("late", {
      url: world.box.url,
      from: "start",
      token: () => userToken("late", { exp: soon(2) }),
    });
    const clock = await hello(world.box.url, token);
    for (let beat = 0; beat < idleHeartbeats; beat += 1) {
      await once(clock.raw, "ping");
      await world.say(run, `second ${beat}`);
    }
    await expectWhole(world, tab, "late", run);
    await expectSettled(world, "late");
    tab.client.close();
    await clock.close();
  });
});

describe("a resume while the server drains", () => {
  it("is told to come back, whatever it had said by then, and goes on at its place afterwards (I7, I16)", async () => {
    await using draining = await NetworkWorld.open();
    const { box } = draining;
    const run = await box.start({ userId: "dee", leaseMs });
    await draining.say(run, 2, 3, 4);
    const token = await userToken("dee");
    const cursor = { epoch: run.epoch, offset: 2 };
    const tab = collect("dee", { url: draining.proxy.url, from: "start" });
    await tab.has(4);
    const bearer = { headers: { authorization: `Bearer ${token}` } };
    const silent = await openSocket(box.url, bearer);
    const live = await hello(box.url, token, { cursor });
    await live.nextOf("events");
    const stream = await SseStream.open(box.url, token, `?cursor=${run.epoch}:2`);
    await stream.until(({ type }) => type === "events");

    const ended = box.server.terminate();
    await live.nextOf("goodbye");
    // The doors still stand, and say so.
    const upgrade = await refusedSocket(box.url, bearer);
    expect([upgrade.status, upgrade.headers["retry-after"]]).toEqual([unavailable, expect.any(String)]);
    const request = await box.call(`GET /v1/stream?cursor=${run.epoch}:2`, { as: token });
    expect([request.status, request.headers.get("retry-after")]).toEqual([unavailable, expect.any(String)]);
    expect((await live.ended).code).toBe(1012);
    // Said into the drain: too late to be heard, and answered by the close all the same.
    silent.send({ type: "hello", cursor });
    expect((await silent.ended).code).toBe(1012);
    expect(silent.frames.map(({ type }) => type)).toEqual(["goodbye"]);
    await stream.until(({ type }) => type === "goodbye");
    expect((await ended).code).toBe(0);

    await box.server.restart();
    await draining.say(run, "after the restart");
    const back = await hello(box.url, token, { cursor });
    expect(await back.next()).toMatchObject({ type: "welcome", resumed: "replayed", epoch: run.epoch });
    for (let upto = 2; upto < 5; ) {
      const frame = await back.nextOf("events");
      expect(frame.after).toBe(upto);
      ({ upto } = frame);
    }
    await expectWhole(draining, tab, "dee", run);
    await eventually(() => expect(tab.client.status.state).toBe("live"));
    tab.client.close();
    await back.close();
  });
});
