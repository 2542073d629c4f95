/**
 * W7: what clients that stand still cost. A thousand users whose tabs read nothing, or read and never acknowledge, while
 * their streams get events; beside them users who read. Two servers, one without the clients that stand still, measured
 * in turns: the same publishing on both.
 */
import { readFileSync } from "node:fs";
import { WebSocket } from "ws";
import { percentile } from "./fan-out.ts";
import type { Load } from "./load.ts";
import { openLoad, tokenOf } from "./load.ts";
import type { ServerProcess } from "./server-process.ts";
import { startServer } from "./server-process.ts";
import { eventsPerRun, userNames } from "./workload.ts";

export interface StalledFigures {
  readonly clients: number;
  /** What the process holds for each (heap and buffers, after a collection), its connection included. */
  readonly heldKibEach: number;
  /** What the process grew by for each, beyond what the same work made the other server grow. */
  readonly rssKibEach: number;
  /** What the kernel holds for both ends of each connection. */
  readonly kernelKibEach: number;
  /** Of healthy users: publish → client. */
  readonly p99Ms: number;
  readonly p99WithoutMs: number;
  /** Of each round with to the round without beside it. */
  readonly ratios: readonly number[];
  /** Events that did not come to one that read on at last. */
  readonly missed: number;
}

const healthyUsers = 50;
const healthyEveryMs = 400;
const healthySeconds = 3;
/** A window is 1,024 events: this fills it. */
const fillRuns = 36;
/** Their streams go on growing while the others are measured. */
const backgroundEveryMs = 20_000;
const heartbeatMs = 600_000;
const pageBytes = 4_096;
const connectBatch = 100;
const restMs = 1_000;

interface Still {
  readonly socket: WebSocket;
  events: number;
  upto: number;
}

const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, restMs));

/** A tab that stands still from its welcome on; one of two reads, and never acknowledges. */
async function openStill(port: number, user: string, reads: boolean): Promise<Still> {
  const token = await tokenOf(user);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, ["runcast.v1"], { perMessageDeflate: false });
  const still: Still = { socket, events: 0, upto: 0 };
  socket.on("error", () => {});
  await new Promise<void>((resolve) => {
    socket.on("open", () => socket.send(JSON.stringify({ type: "hello", token, from: "start", mergeDeltas: false })));
    socket.on("message", (bytes: Buffer) => {
      const frame = JSON.parse(bytes.toString()) as { type: string; upto: number; events: unknown[] };
      if (frame.type === "welcome") resolve();
      if (frame.type !== "events") return;
      still.events += frame.events.length;
      still.upto = frame.upto;
    });
  });
  if (!reads) socket.pause();
  return still;
}

/** All memory of TCP sockets of this network namespace. */
function kernelBytes(): number {
  const pages = /^TCP:.* mem (\d+)$/m.exec(readFileSync("/proc/net/sockstat", "utf8"))?.[1];
  return Number(pages ?? Number.NaN) * pageBytes;
}

function memoryOf({ control }: ServerProcess) {
  const memory = control.hear("memory");
  control.order({ do: "memory" });
  return memory;
}

/** Fills the streams of all of them; answers what the process held before and after. */
async function fill(server: ServerProcess, users: readonly string[], runsPerUser: number) {
  const before = await memoryOf(server);
  const filled = server.control.hear("filled");
  server.control.order({ do: "fill", users, runsPerUser });
  await filled;
  await rest();
  const after = await memoryOf(server);
  return { before, after, rssBytes: after.rssBytes - before.rssBytes };
}

/** The healthy users' p99 over some seconds. */
async function measureHealthy(server: ServerProcess, load: Load): Promise<number> {
  load.reset();
  const runsPerUser = Math.round((healthySeconds * 1_000) / healthyEveryMs);
  const published = server.control.hear("published");
  const all = load.until(healthyUsers * runsPerUser * eventsPerRun);
  const work = { users: userNames(healthyUsers), runsPerUser, window: 4, everyMs: healthyEveryMs };
  server.control.order({ do: "publish", work });
  await Promise.all([published, all]);
  return percentile(load.latenciesMs, 0.99);
}

/** Reads on, acknowledging, until all is there. Answers how many events came. */
async function readOn(still: Still, wanted: number): Promise<number> {
  still.socket.resume();
  const endMs = performance.now() + 20 * restMs;
  while (still.events < wanted && performance.now() < endMs) {
    if (still.upto > 0) still.socket.send(JSON.stringify({ type: "ack", offset: still.upto }));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return still.events;
}

export async function measureStalled(clients: number, rounds: number): Promise<StalledFigures> {
  const names = Array.from({ length: clients }, (_, at) => `still-${at}`);
  const healthy = Array.from({ length: healthyUsers }, (_, at) => `user-${at}`);
  const [without, server] = [
    await startServer("runcast", ["--heartbeat", String(heartbeatMs)]),
    await startServer("runcast", ["--heartbeat", String(heartbeatMs)]),
  ];
  const loads = [
    await openLoad("runcast", [without], healthy, 1),
    await openLoad("runcast", [server], healthy, 1),
  ] as const;
  // Both have done the same before, for others: what the work leaves behind is not what a client costs.
  const others = names.map((name) => `${name}-before`);
  for (const each of [without, server]) await fill(each, others, fillRuns / 2);
  const alone = await memoryOf(server);
  const stills: Still[] = [];
  for (let at = 0; at < clients; at += connectBatch)
    stills.push(
      ...(await Promise.all(
        names.slice(at, at + connectBatch).map((user, index) => openStill(server.port, user, index % 2 === 0)),
      )),
    );
  await rest();
  const idleKernelBytes = kernelBytes();
  const still = await fill(server, names, fillRuns);
  const kernelStillBytes = kernelBytes();
  const nobody = await fill(without, names, fillRuns);

  for (const each of [without, server])
    each.control.order({ do: "background", users: names, everyMs: backgroundEveryMs });
  const p99: { with: number[]; without: number[] } = { with: [], without: [] };
  for (let round = 0; round < rounds + 1; round += 1) {
    const pair = [await measureHealthy(without, loads[0]), await measureHealthy(server, loads[1])] as const;
    // The first pair warms both up.
    if (round === 0) continue;
    p99.without.push(pair[0]);
    p99.with.push(pair[1]);
  }
  // One of those that read nothing.
  const wanted = fillRuns * eventsPerRun;
  const last = stills.at(-2);
  const got = last === undefined ? 0 : await readOn(last, wanted);
  for (const { socket } of stills) socket.terminate();
  for (const load of loads) load.close();
  await Promise.all([without.stop(), server.stop()]);
  return {
    clients,
    heldKibEach: (still.after.heapBytes - alone.heapBytes) / 1_024 / clients,
    rssKibEach: (still.rssBytes - nobody.rssBytes) / 1_024 / clients,
    kernelKibEach: (kernelStillBytes - idleKernelBytes) / 1_024 / clients,
    p99Ms: percentile(p99.with, 0.5),
    p99WithoutMs: percentile(p99.without, 0.5),
    ratios: p99.with.map((ms, at) => ms / (p99.without[at] ?? Number.NaN)),
    missed: Math.max(0, wanted - got),
  };
}
