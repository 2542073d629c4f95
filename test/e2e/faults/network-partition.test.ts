import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hello, type TestSocket } from "../../gateway/support/socket.ts";
import { userToken } from "../../support/built-server.ts";
import { type CollectingClient, collect } from "../../support/collecting-client.ts";
import { eventually } from "../../support/eventually.ts";
import { expectSettled, expectWhole, NetworkWorld } from "../../support/network-world.ts";
import { percentile } from "../../support/percentile.ts";
import { SseStream } from "../../support/sse-stream.ts";
import { type Direction, TcpProxy } from "../../support/tcp-proxy.ts";

const heartbeatMs = 1_000;
/** A ping stands for an interval before it counts as missed, two may be missed, and the cut falls into an interval. */
const maxDetectMs = 3 * heartbeatMs;
/** For a machine that others share; what it takes without them is printed. */
const marginMs = 5_000;

let world: NetworkWorld;
/** Its connections are counted. */
let hole: NetworkWorld;
beforeAll(async () => {
  const options = { env: { RUNCAST_HEARTBEAT_MS: String(heartbeatMs) } };
  [world, hole] = await Promise.all([NetworkWorld.open(options), NetworkWorld.open(options)]);
});
afterAll(() => Promise.all([world, hole].map((each) => each[Symbol.asyncDispose]())));

const figures: string[] = [];
afterAll(() => console.log(figures.join("\n")));
const rounded = (times: readonly number[]) => times.map((ms) => Math.round(ms));
/** Every state that the client is in from now on, each with when it began. */
function statesOf({ client }: CollectingClient): (readonly [string, number])[] {
  const states: (readonly [string, number])[] = [];
  client.on("status", ({ state }) => states.push([state, performance.now()]));
  return states;
}

/** They stay in the hole while the other tests run. */
const sockets: TestSocket[] = [];

describe.concurrent("a black hole both ways", () => {
  it("is found by the server within its heartbeats, and nothing counts as acknowledged meanwhile (I8, I11)", async () => {
    const run = await hole.box.start({ userId: "hole", leaseMs: 3_600_000 });
    const token = await userToken("hole");
    const count = 32;
    const { proxy } = hole;
    for (let number = 0; number < count; number += 1) {
      const socket = await hello(proxy.url, token, { from: "start", device: `d${number}` });
      await socket.nextOf("events");
      socket.send({ type: "ack", offset: 1 });
      sockets.push(socket);
    }
    await expectSettled(hole, "hole");
    // Each must have answered a ping: the time is that of a connection that lived.
    await Promise.all(sockets.map(({ raw }) => new Promise((resolve) => raw.once("ping", resolve))));
    for (const link of proxy.links) link.hold();
    const cutMs = performance.now();
    const head = await hole.say(run, 2, 3, 4);
    for (const socket of sockets) socket.send({ type: "ack", offset: head });
    const foundMs: number[] = [];
    await eventually(async () => {
      const left = await hole.metric("runcast_connections");
      while (foundMs.length < count - left) foundMs.push(performance.now() - cutMs);
      expect(left).toBe(0);
    });
    expect(await hole.ledger("hole")).toMatchObject({ accepted: head, acked: 1, stored: head - 1, difference: 0 });
    figures.push(
      `server, ${count} links: found after p50 ${Math.round(percentile(foundMs, 0.5))} ms, p99 ${Math.round(percentile(foundMs, 0.99))} ms (heartbeat ${heartbeatMs} ms)`,
    );
    expect(Math.min(...foundMs)).toBeGreaterThan(heartbeatMs);
    expect(Math.max(...foundMs)).toBeLessThan(maxDetectMs + marginMs);
  });

  it("is found by the client with its own heartbeat, and it comes back to the whole (L4, L5)", async () => {
    const run = await world.box.start({ userId: "tab", leaseMs: 3_600_000 });
    await using proxy = await TcpProxy.listen(world.box.url);
    const tabs = Array.from({ length: 8 }, (_, number) =>
      collect("tab", { url: proxy.url, from: "start", device: `d${number}` }),
    );
    await Promise.all(tabs.map((tab) => tab.has(1)));
    await expectSettled(world, "tab");
    const states = tabs.map(statesOf);
    const cutMs = performance.now();
    for (const link of proxy.links) link.hold();
    const head = await world.say(run, "into the hole", "and more");
    expect(await world.ledger("tab")).toMatchObject({ acked: head - 2, stored: 2 });
    await Promise.all(tabs.map((tab) => tab.has(head)));
    const foundMs = states.map((seen) => (seen.find(([state]) => state === "waiting")?.[1] ?? Number.NaN) - cutMs);
    figures.push(`client, ${tabs.length} tabs: found after ${rounded(foundMs).join(", ")} ms`);
    for (const ms of foundMs) expect(ms).toBeLessThan(maxDetectMs + marginMs);
    for (const tab of tabs) {
      await expectWhole(world, tab, "tab", run);
      tab.client.close();
    }
    await expectSettled(world, "tab");
  });

  it("over SSE leaves everything stored, and the resume brings it (I11)", async () => {
    const run = await world.box.start({ userId: "ssehole", leaseMs: 3_600_000 });
    const token = await userToken("ssehole");
    await using proxy = await TcpProxy.listen(world.box.url);
    const stream = await SseStream.open(proxy.url, token, "?from=start");
    await stream.until(({ type }) => type === "events");
    const welcome = await stream.until(({ type }) => type === "welcome");
    const connectionId = "connectionId" in welcome ? welcome.connectionId : "";
    const ack = (offset: number) => world.box.call("POST /v1/ack", { as: token, body: { connectionId, offset } });
    await ack(1);
    proxy.last.hold();
    const head = await world.say(run, 2, 3);
    expect(await world.ledger("ssehole")).toMatchObject({ acked: 1, stored: head - 1 });
    const back = await SseStream.open(world.box.url, token, "", { "last-event-id": stream.lastEventId ?? "" });
    await back.until((frame) => frame.type === "events" && frame.upto === head);
    expect([...stream.events, ...back.events]).toEqual(await world.log("ssehole"));
    expect(await world.ledger("ssehole")).toMatchObject({ acked: 1, stored: head - 1 });
    back.close();
    stream.close();
  });
});

describe.concurrent("a partition in one direction", () => {
  it.each<[Direction, string]>([
    ["up", "the client hears the server, the server not the client: acks are lost"],
    ["down", "the server hears the client, the client not the server: events are lost"],
  ])("%s (%s) ends, and the application sees each event once (I4, I5, I8)", async (direction) => {
    const userId = `way-${direction}`;
    const run = await world.box.start({ userId, leaseMs: 3_600_000 });
    await using proxy = await TcpProxy.listen(world.box.url);
    const tab = collect(userId, { url: proxy.url, from: "start", device: "d" });
    await tab.has(1);
    await expectSettled(world, userId);
    const states = statesOf(tab);
    const cutMs = performance.now();
    proxy.last.hold(direction);
    const head = await world.say(run, "one", "two", "three");
    if (direction === "up") await tab.has(head);
    expect(await world.ledger(userId)).toMatchObject({ acked: 1, stored: head - 1, difference: 0 });
    const foundMs = () => (states.find(([state]) => state === "waiting")?.[1] ?? Number.POSITIVE_INFINITY) - cutMs;
    await eventually(() => expect(foundMs()).toBeLessThan(maxDetectMs + marginMs));
    figures.push(`one way, ${direction}: found after ${Math.round(foundMs())} ms`);
    await expectWhole(world, tab, userId, run);
    await expectSettled(world, userId);
    // The hole closes: what was under way arrives late, at a connection that is no more.
    for (const link of proxy.links) link.release();
    await expectWhole(world, tab, userId, run);
    expect(tab.seen).toHaveLength(head);
    tab.client.close();
  });
});

describe.concurrent("a new connection before the old one is known to be dead", () => {
  it("loses no event between the two and doubles none; late acks of the old one move nothing back (I8)", async () => {
    const run = await world.box.start({ userId: "twice", leaseMs: 3_600_000 });
    await using proxy = await TcpProxy.listen(world.box.url);
    const tab = collect("twice", { url: proxy.url, from: "start", device: "d" });
    await tab.has(1);
    await expectSettled(world, "twice");
    const acked: number[] = [];
    const look = async () => acked.push((await world.ledger("twice")).acked);
    for (let round = 0; round < 6; round += 1) {
      const old = proxy.last;
      const others = proxy.links.length;
      // Its ack of this one is under way, and stays there.
      old.hold("up");
      await tab.has(await world.say(run, `${round}: heard, its ack is lost`));
      await look();
      old.hold("down");
      await world.say(run, `${round}: not heard on the old one`);
      tab.client.cut();
      await proxy.link(others);
      const head = await world.say(run, `${round}: while both are open`);
      await tab.has(head);
      await expectSettled(world, "twice");
      await look();
      old.release();
      await old.closed;
      await look();
      expect(await world.ledger("twice")).toMatchObject({ acked: head, stored: 0 });
    }
    expect(acked).toEqual(acked.toSorted((a, b) => a - b));
    await expectWhole(world, tab, "twice", run);
    tab.client.close();
  });

  it("keeps the place of the newer of two sockets of one device, whatever the older says later (I8)", async () => {
    const run = await world.box.start({ userId: "raw", leaseMs: 3_600_000 });
    const token = await userToken("raw");
    await using proxy = await TcpProxy.listen(world.box.url);
    const old = await hello(proxy.url, token, { from: "start", device: "d" });
    await old.nextOf("events");
    proxy.last.hold("up");
    const head = await world.say(run, 2, 3, 4, 5);
    for (let offset = 0; offset <= 3; offset += 1) old.send({ type: "ack", offset });
    const young = await hello(world.box.url, token, { cursor: { epoch: run.epoch, offset: 1 }, device: "d" });
    expect(await young.nextOf("events")).toMatchObject({ after: 1, upto: head });
    young.send({ type: "ack", offset: head });
    await expectSettled(world, "raw");
    proxy.last.release();
    old.send({ type: "ping", ref: "after the acks" });
    expect(await old.nextOf("pong")).toEqual({ type: "pong", ref: "after the acks" });
    expect(await world.ledger("raw")).toMatchObject({ acked: head, stored: 0, difference: 0 });
    await Promise.all([old.close(), young.close()]);
  });
});

describe("the sockets in the hole", () => {
  it("are let go of, and what was said into the hole comes late, to nobody", async () => {
    await Promise.all(hole.proxy.links.map(({ leftByServer }) => leftByServer));
    for (const link of hole.proxy.links) link.release();
    await Promise.all(sockets.map(({ ended }) => ended));
    expect(await hole.ledger("hole")).toMatchObject({ accepted: 4, acked: 1, stored: 3, difference: 0 });
    for (const each of [world, hole]) {
      await eventually(async () => expect(await each.metric("runcast_connections")).toBe(0));
      expect(each.box.server.stderr).not.toContain('"level":"error"');
    }
  });
});
