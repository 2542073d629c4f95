import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { maxAnswerBytes } from "../../src/gateway/websocket-transport.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { maxBufferedBytes } from "../../src/runtime/outbox.ts";
import type { House, HouseOptions } from "./support/house.ts";
import { keys, openHouse, token } from "./support/house.ts";
import type { TestSocket } from "./support/socket.ts";
import { hello } from "./support/socket.ts";

const stalledCount = 10;
const eventBytes = 32_768;
/** More than the kernel holds for both ends of a loopback connection. */
const eventCount = 512;
const eventsPerCall = 16;
/** What `ws` hands on of one read of the kernel's. */
const chunkBytes = 65_536;
const patience = { timeout: 15_000, interval: 20 };

let house: House;
let sockets: Set<Socket>;
afterEach(() => house.close());

async function open(options: HouseOptions): Promise<void> {
  house = await openHouse(options);
  sockets = new Set();
  house.server.on("upgrade", ({ socket }: IncomingMessage) => sockets.add(socket));
}

/** What the process holds for each: bytes that the kernel has not taken. */
const held = (): number[] => [...sockets].map(({ writableLength }) => writableLength);

async function welcomed(): Promise<TestSocket> {
  const socket = await hello(house.url, await token("alice"), { from: "now" });
  await socket.nextOf("welcome");
  return socket;
}

describe("clients that stop reading (L11)", () => {
  it("cost the bound each and no more, and have everything once they read on", async () => {
    // Only the bound of the socket is left to hold them.
    await open({ runtime: { windowEvents: 1_000_000, windowBytes: 2 ** 30 } });
    const stalled = await Promise.all(Array.from({ length: stalledCount }, welcomed));
    for (const { raw } of stalled) raw.pause();
    const run = await house.startRun();
    const text = "x".repeat(eventBytes);
    const events = Array.from({ length: eventsPerCall }, () => ({ type: "x.pad", data: { text } }));
    for (let said = 0; said < eventCount; said += eventsPerCall)
      await house.call("POST", `/v1/runs/${run.runId}/events`, { as: keys.both, body: { fence: run.fence, events } });
    expect(sockets.size).toBe(stalledCount);
    // The kernel is full: else this would say nothing of the process.
    await expect.poll(() => Math.min(...held()), patience).toBeGreaterThan(0);
    expect(Math.max(...held())).toBeLessThan(maxBufferedBytes + 2 * eventBytes);

    for (const { raw } of stalled) raw.resume();
    const offsetsOf = ({ frames }: TestSocket): number[] =>
      frames.flatMap((frame) => (frame.type === "events" ? frame.events.map(({ offset }) => offset) : []));
    for (const socket of stalled) await expect.poll(() => offsetsOf(socket).at(-1), patience).toBe(eventCount + 1);
    const all = Array.from({ length: eventCount + 1 }, (_, index) => index + 1);
    for (const socket of stalled) expect(offsetsOf(socket)).toEqual(all);
    for (const { raw } of stalled) raw.terminate();
  });
});

describe("a client that asks and does not read the answers (L11)", () => {
  const payload = "p".repeat(125);
  const pings = 40_000;

  it.each<[string, (socket: TestSocket, ref: string) => void]>([
    ["pings of the WebSocket", ({ raw }, ref) => raw.ping(ref)],
    ["ping frames", (socket, ref) => socket.send({ type: "ping", ref })],
  ])("is not heard beyond a bound, and has every answer once it reads: %s", async (_, ask) => {
    // A second passes at every look, so that nothing but the bound holds it.
    let seconds = 0;
    await open({ gateway: { clock: { ...systemClock, mono: () => (seconds += 1) * 1_000 } } });
    const socket = await welcomed();
    const [server] = sockets;
    if (server === undefined) throw new Error("there is no socket");
    let answers = 0;
    socket.raw.on("pong", () => (answers += 1));
    socket.raw.on("message", () => (answers += 1));
    socket.raw.pause();
    let most = 0;
    for (let ping = 0; ping < pings; ping += 1) {
      ask(socket, payload);
      if (ping % 100 > 0) continue;
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, server.writableLength);
    }
    await expect.poll(() => server.isPaused(), patience).toBe(true);
    expect(Math.max(most, server.writableLength)).toBeLessThan(maxAnswerBytes + 2 * chunkBytes);
    socket.raw.resume();
    await expect.poll(() => answers, patience).toBe(pings);
    socket.raw.terminate();
  });
});
