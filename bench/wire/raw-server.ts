/** The floor: `ws`, a Map and `send`. No log, no resume, no order check. */
import { createServer } from "node:http";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";
import { serveWork } from "./serve-work.ts";
import { runEvents, nowMs } from "./workload.ts";

const sockets = new Map<string, Set<WebSocket>>();
const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false, clientTracking: false });
server.on("connection", (socket, request) => {
  const user = new URL(request.url ?? "/", "http://localhost").searchParams.get("user") ?? "";
  const mine = sockets.get(user) ?? new Set();
  sockets.set(user, mine.add(socket));
  socket.on("message", () => {});
  socket.on("error", () => {});
  socket.on("close", () => mine.delete(socket));
});

let runs = 0;
const time = new Date().toISOString();

async function publishRun(user: string): Promise<void> {
  const at = nowMs();
  runs += 1;
  const runId = `0197a1b2-0000-7000-8000-${String(runs).padStart(12, "0")}`;
  const events = [{ type: "agent_started", data: { agent: "bench", at } }, ...runEvents(at)];
  for (const [index, event] of events.entries()) {
    const text = JSON.stringify({ id: `${runId}`, type: event.type, runId, seq: index + 1, time, data: event.data });
    for (const socket of sockets.get(user) ?? []) socket.send(text);
  }
}

http.listen(0, "127.0.0.1", () => {
  const address = http.address();
  void serveWork({ port: typeof address === "object" && address !== null ? address.port : 0, publishRun });
});
