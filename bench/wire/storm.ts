/**
 * A reconnect storm: the server is killed under thousands of connected clients and comes back; how they return, each by
 * its own back-off with full jitter, and what that costs the server. The clients are ours, over `ws` sockets, all in
 * one process: on few cores they take their share of the time.
 */
import { WebSocket } from "ws";
import type { Client } from "../../src/client/index.ts";
import { connect } from "../../src/client/index.ts";
import { BuiltServer, userToken } from "../../test/support/built-server.ts";
import { HttpPublisher } from "../../test/support/http-publisher.ts";

/** Connected at once at the beginning, which is not what is measured. */
const arrivalsAtOnce = 100;
const patienceMs = 120_000;
const lookMs = 5;
const secondMs = 1_000;
const mostOfThem = 0.99;
/** Every so many users have a run that lives: their clients resume into something. */
const runEvery = 10;

export interface StormFigures {
  readonly clients: number;
  /** From the kill until the server listened again. */
  readonly downMs: number;
  /** Clients that became live within the busiest second. */
  readonly peakPerSecond: number;
  /** From listening again until 99 % of the clients were live, and all. */
  readonly backMs: number;
  readonly allBackMs: number;
  /** Connections that the clients tried while the server was down or after, beyond the one that held. */
  readonly triesPerClient: number;
  readonly logReadsPerClient: number;
  readonly cpuSeconds: number;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}

/** The most of these moments that lie within one second. `atMs` ascends. */
function busiestSecond(atMs: readonly number[]): number {
  let most = 0;
  let from = 0;
  for (const [index, at] of atMs.entries()) {
    while (at - (atMs[from] ?? at) > secondMs) from += 1;
    most = Math.max(most, index - from + 1);
  }
  return most;
}

export async function measureStorm(clientCount: number): Promise<StormFigures> {
  await using server = await BuiltServer.start();
  const publisher = new HttpPublisher(() => server.url);
  let sockets = 0;
  class CountedSocket extends WebSocket {
    constructor(address: string | URL, protocols?: string | string[]) {
      super(address, protocols, { perMessageDeflate: false });
      sockets += 1;
    }
  }
  const liveAtMs: number[] = [];
  let isMeasuring = false;
  const clients: Client[] = [];
  const isLive = ({ status }: Client): boolean => status.state === "live";
  for (let index = 0; index < clientCount; index += 1) {
    const userId = `user-${index}`;
    if (index % runEvery === 0) await publisher.startRun({ userId, runId: `run-${index}`, leaseMs: 3_600_000 });
    const token = await userToken(userId);
    const client = connect({ url: server.url, token: () => token, device: "d", WebSocket: CountedSocket as never });
    let wasLive = false;
    client.on("status", ({ state }) => {
      const isBack = state === "live" && !wasLive;
      wasLive = state === "live";
      if (isBack && isMeasuring) liveAtMs.push(performance.now());
    });
    clients.push(client);
    if (clients.length % arrivalsAtOnce === 0) await until("all arrive", () => clients.every(isLive));
  }
  await until("all arrive", () => clients.every(isLive));

  const killedMs = performance.now();
  await server.kill9();
  await until("all have noticed", () => clients.every((client) => !isLive(client)));
  sockets = 0;
  isMeasuring = true;
  await server.restart();
  const listensMs = performance.now();
  await until("all are back", () => clients.every(isLive));
  const back = liveAtMs.toSorted((a, b) => a - b);
  const figures: StormFigures = {
    clients: clientCount,
    downMs: listensMs - killedMs,
    peakPerSecond: busiestSecond(back),
    backMs: (back[Math.ceil(clientCount * mostOfThem) - 1] ?? Number.NaN) - listensMs,
    allBackMs: (back.at(-1) ?? Number.NaN) - listensMs,
    triesPerClient: sockets / clientCount,
    logReadsPerClient: (await metric(server.url, "runcast_log_reads_total")) / clientCount,
    cpuSeconds: await metric(server.url, "process_cpu_seconds_total"),
  };
  for (const client of clients) client.close();
  return figures;
}
