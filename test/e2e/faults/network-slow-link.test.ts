import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CollectingClient, collect } from "../../support/collecting-client.ts";
import { expectSettled, expectWhole, NetworkWorld } from "../../support/network-world.ts";
import { percentile } from "../../support/percentile.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import type { Line } from "../../support/tcp-pipe.ts";
import { TcpProxy } from "../../support/tcp-proxy.ts";

const heartbeatMs = 1_000;
const seed = Number(process.env["SEED"] ?? 17);
const random = seededRandom(seed);

/** 64 kbit/s, 400 ms there and back, every fifth segment lost once. */
const badLine: Line = { delayMs: 200, bytesPerSecond: 8_000, lossShare: 0.2, random };
/** To a heartbeat of one second what 16 kbit/s are to the default of fifteen. */
const slowLine: Line = { delayMs: 25, bytesPerSecond: 30_000 };
const eventCount = 40;
const everyMs = 100;
const backlogEvents = 700;
/** On the slow line it takes four heartbeats, and a client gives a silent link three. */
const largeChars = 120_000;

let world: NetworkWorld;
const figures: string[] = [];
/** They wait for their lines at the same time. */
const users: Record<string, Promise<void>> = {};
beforeAll(async () => {
  world = await NetworkWorld.open({ env: { RUNCAST_HEARTBEAT_MS: String(heartbeatMs) } });
  users["steady"] = withLine("steady", badLine, steady);
  users["backlog"] = withLine("backlog", slowLine, backlog);
  users["large"] = withLine("large", slowLine, large);
  for (const outcome of Object.values(users)) outcome.catch(() => {});
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  console.log(figures.join("\n"));
});

type Started = Awaited<ReturnType<NetworkWorld["box"]["start"]>>;

/** A run, a line of its own, and at the end the whole log at the application and everything acknowledged. */
async function withLine(
  userId: string,
  line: Line,
  use: (run: Started, proxy: TcpProxy) => Promise<CollectingClient>,
): Promise<void> {
  const run = await world.box.start({ userId, leaseMs: 3_600_000 });
  await using proxy = await TcpProxy.listen(world.box.url);
  proxy.plan = () => ({ line });
  const tab = await use(run, proxy);
  await expectWhole(world, tab, userId, run);
  await expectSettled(world, userId);
  tab.client.close();
}

async function steady(run: Started, proxy: TcpProxy): Promise<CollectingClient> {
  const tab = collect("steady", { url: proxy.url, from: "start" });
  await tab.has(1);
  const saidMs: number[] = [];
  const latencies: number[] = [];
  tab.client.on("event", ({ offset }) => latencies.push(performance.now() - (saidMs[offset] ?? Number.NaN)));
  for (let offset = 2; offset < eventCount + 2; offset += 1) {
    saidMs[offset] = performance.now();
    await world.say(run, offset);
    // The pace of an agent that speaks, not a wait for something.
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  await tab.has(eventCount + 1);
  expect(latencies).toHaveLength(eventCount);
  const [p50, p99] = [0.5, 0.99].map((share) => Math.round(percentile(latencies, share)));
  figures.push(`64 kbit/s, 400 ms, 20 % loss: p50 ${p50} ms, p99 ${p99} ms, ${proxy.links.length - 1} resumes`);
  expect(proxy.links).toHaveLength(1);
  return tab;
}

async function backlog(run: Started, proxy: TcpProxy): Promise<CollectingClient> {
  const head = await world.say(run, ...Array.from({ length: backlogEvents }, (_, number) => number));
  const tab = collect("backlog", { url: proxy.url, from: "start" });
  const startMs = performance.now();
  await tab.has(head);
  const tookMs = Math.round(performance.now() - startMs);
  figures.push(`backlog of ${head} events at 30 kB/s: ${tookMs} ms, ${proxy.links.length - 1} resumes`);
  expect(proxy.links).toHaveLength(1);
  return tab;
}

async function large(run: Started, proxy: TcpProxy): Promise<CollectingClient> {
  const head = await world.say(run, "x".repeat(largeChars));
  const tab = collect("large", { url: proxy.url, from: "start" });
  await tab.has(head);
  figures.push(`one event of ${largeChars} bytes at 30 kB/s: ${proxy.links.length - 1} resumes`);
  return tab;
}

describe(`a slow line (SEED=${seed})`, () => {
  it("of 64 kbit/s and 400 ms that loses every fifth segment makes events late, and loses none (L4, L5, L9)", async () => {
    await expect(users["steady"]).resolves.toBeUndefined();
  });

  it("carries a backlog of many heartbeats on one connection: each frame is small enough to be an answer", async () => {
    await expect(users["backlog"]).resolves.toBeUndefined();
  });

  it("carries an event that takes longer than a silent link is given: nobody comes back to it for ever", async () => {
    await expect(users["large"]).resolves.toBeUndefined();
  });
});
