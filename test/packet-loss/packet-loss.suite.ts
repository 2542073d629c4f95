import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hello } from "../gateway/support/socket.ts";
import { userToken } from "../support/built-server.ts";
import { collect } from "../support/collecting-client.ts";
import { eventually } from "../support/eventually.ts";
import { expectSettled, expectWhole, NetworkWorld } from "../support/network-world.ts";
import { percentile } from "../support/percentile.ts";
import { SseStream } from "../support/sse-stream.ts";
import { losePackets, lossyHost, openLossyKernel, setTcpRetries } from "./lossy-kernel.ts";

const heartbeatMs = 1_000;
const marginMs = 5_000;
const leaseMs = 3_600_000;
const patienceMs = 120_000;

let world: NetworkWorld;
/** The server, over an address whose packets are at risk. */
let url: string;
beforeAll(async () => {
  openLossyKernel();
  world = await NetworkWorld.open({ env: { RUNCAST_HOST: "0.0.0.0", RUNCAST_HEARTBEAT_MS: String(heartbeatMs) } });
  url = `http://${lossyHost}:${new URL(world.box.url).port}`;
});
afterAll(() => world[Symbol.asyncDispose]());

const figures: string[] = [];
afterAll(() => console.log(figures.join("\n")));
const rounded = (times: readonly number[], share: number): number => Math.round(percentile(times, share));

describe("a network that loses packets", () => {
  it.each([5, 20, 40])("makes events late and loses nX, L5, L9)", async (percent) => {
    const userId = `loss-${percent}`;
    const run = await world.box.start({ userId, leaseMs });
    losePackets(percent);
    const tab = collect(userId, { url, from: "start", device: "d" });
    let connections = 0;
    let last: string | undefined;
    tab.client.on("status", ({ connectionId }) => {
      if (connectionId !== undefined && connectionId !== last) connections += 1;
      last = connectionId ?? last;
    });
    await eventually(() => expect(tab.seen.length).toBeGreaterThan(0), patienceMs);
    const saidMs: number[] = [];
    const latencies: number[] = [];
    tab.client.on("event", ({ offset }) => latencies.push(performance.now() - (saidMs[offset] ?? Number.NaN)));
    const count = 200;
    for (let offset = 2; offset < count + 2; offset += 1) {
      saidMs[offset] = performance.now();
      await world.say(run, offset);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await eventually(() => expect(tab.seen.length).toBe(count + 1), patienceMs);
    figures.push(
      `${percent} % lost: p50 ${rounded(latencies, 0.5)} ms, p99 ${rounded(latencies, 0.99)} ms, max ${rounded(latencies, 1)} ms, ${connections - 1} resumes`,
    );
    losePackets(0);
    await expectWhole(world, tab, userId, run);
    await expectSettled(world, userId);
    tab.client.close();
  });
});

describe("a network that drops everything", () => {
  it("is found by server and client within their heartbeats, and nothing counts as acknowledged meanwhile (I8, I11)", async () => {
    await eventually(async () => expect(await world.metric("runcast_connections")).toBe(0));
    const run = await world.box.start({ userId: "hole", leaseMs });
    const token = await userToken("hole");
    const sockets = await Promise.all(Array.from({ length: 16 }, () => hello(url, token, { from: "start" })));
    for (const socket of sockets) await socket.nextOf("events");
    const tab = collect("hole", { url, from: "start", device: "d" });
    await tab.has(1);
    await expectSettled(world, "hole");
    await Promise.all(sockets.map(({ raw }) => new Promise((resolve) => raw.once("ping", resolve))));
    let clientMs = Number.NaN;
    const cutMs = performance.now();
    tab.client.on("status", ({ state }) => {
      if (state === "waiting" && Number.isNaN(clientMs)) clientMs = performance.now() - cutMs;
    });
    losePackets(100);
    const head = await world.say(run, "into the hole", "and more");
    const foundMs: number[] = [];
    await eventually(async () => {
      const left = await world.metric("runcast_connections");
      while (foundMs.length < sockets.length + 1 - left) foundMs.push(performance.now() - cutMs);
      expect([left, clientMs > 0]).toEqual([0, true]);
    });
    expect(await world.ledger("hole")).toMatchObject({ acked: 1, stored: head - 1, difference: 0 });
    figures.push(
      `everything dropped, heartbeat ${heartbeatMs} ms: server p50 ${rounded(foundMs, 0.5)} ms, p99 ${rounded(foundMs, 0.99)} ms; client ${Math.round(clientMs)} ms`,
    );
    expect(Math.max(...foundMs, clientMs)).toBeLessThan(3 * heartbeatMs + marginMs);
    losePackets(0);
    await expectWhole(world, tab, "hole", run);
    await expectSettled(world, "hole");
    for (const { raw } of sockets) raw.terminate();
    tab.client.close();
  });

  it("is found over SSE when TCP gives up, and everything stays stored until then (I11)", async () => {
    await eventually(async () => expect(await world.metric("runcast_connections")).toBe(0), patienceMs);
    const retries = 3;
    setTcpRetries(retries);
    const run = await world.box.start({ userId: "ssehole", leaseMs });
    const token = await userToken("ssehole");
    const stream = await SseStream.open(url, token, "?from=start");
    await stream.until(({ type }) => type === "events");
    losePackets(100);
    const cutMs = performance.now();
    const head = await world.say(run, "into the hole");
    await eventually(async () => expect(await world.metric("runcast_connections")).toBe(0), patienceMs);
    figures.push(
      `everything dropped, SSE, tcp_retries2=${retries}: server ${Math.round(performance.now() - cutMs)} ms`,
    );
    expect(await world.ledger("ssehole")).toMatchObject({ acked: 0, stored: head });
    losePackets(0);
    const back = await SseStream.open(url, token, "", { "last-event-id": stream.lastEventId ?? "" });
    await back.until((frame) => frame.type === "events" && frame.upto === head);
    expect([...stream.events, ...back.events]).toEqual(await world.log("ssehole"));
    back.close();
    stream.close();
  });
});
