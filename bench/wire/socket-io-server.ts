/**
 * The rival: Socket.IO with connection state recovery and its Redis Streams adapter, as its own documentation sets it up.
 * One room a user; an event goes through one Redis stream that every node reads. `emit` promises nothing: nobody is told
 * when an event is stored, and what cannot be stored is dropped.
 */
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { serveWork } from "./serve-work.ts";
import { watchTraffic } from "./traffic.ts";
import type { WorkEvent } from "./workload.ts";
import { nowMs, runEvents } from "./workload.ts";

const { values } = parseArgs({ options: { store: { type: "string", default: "" } } });
const http = createServer();
const ownPort = (): number => {
  const address = http.address();
  return typeof address === "object" && address !== null ? address.port : 0;
};
const traffic = watchTraffic(Number(new URL(values.store).port), ownPort);
const redis = createClient({ url: values.store });
redis.on("error", () => {});
await redis.connect();

const server = new Server(http, {
  adapter: createAdapter(redis),
  connectionStateRecovery: {},
  transports: ["websocket"],
});
server.on("connection", async (socket) => {
  await socket.join(String(socket.handshake.auth["user"]));
  socket.emit("welcome");
});

let runs = 0;
let events = 0;
const time = new Date().toISOString();

function emit(user: string, runId: string, seq: number, { type, data }: WorkEvent): void {
  events += 1;
  server.to(user).emit("event", { id: `${runId}-${events}`, type, runId, seq, time, data });
}

async function publishRun(user: string): Promise<void> {
  const at = nowMs();
  runs += 1;
  const runId = `0197a1b2-0000-7000-8000-${String(runs).padStart(12, "0")}`;
  const started = { type: "agent_started", data: { agent: "bench", at } } as unknown as WorkEvent;
  for (const [index, event] of [started, ...runEvents(at)].entries()) emit(user, runId, index + 1, event);
}

async function say(user: string, said: readonly WorkEvent[]): Promise<void> {
  for (const event of said) emit(user, user, events, event);
}

http.listen(0, "127.0.0.1", () => void serveWork({ port: ownPort(), publishRun, say }, traffic));
