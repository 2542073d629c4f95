import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { thinking } from "../../support/black-box.ts";
import { BuiltServer, userToken } from "../../support/built-server.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { onUserSignal } from "../../support/server-preload.ts";

const clientCount = 200;
/** `ROUNDS=5` for the figure of the verification page. */
const rounds = Number(process.env["ROUNDS"] ?? 1);
/** Short, so that a pause outlasts the two pings that a dead client may miss. */
const heartbeatMs = 1_000;
const leaseMs = 2_000;
const graceMs = 1_500;
const stoppedMs = 4_000;
const busyMs = 2_500;
const roundPatienceMs = 60_000;
const patience = { timeout: 20_000, interval: 10 };

interface Crowd {
  /** Until every client has the event at this offset. */
  has(offset: number): Promise<void>;
  readonly closed: readonly number[];
  readonly pings: () => number;
  end(): void;
}

let server: BuiltServer;
beforeAll(async () => {
  server = await BuiltServer.start({
    env: {
      RUNCAST_HEARTBEAT_MS: String(heartbeatMs),
      RUNCAST_LEASE_MS: String(leaseMs),
      RUNCAST_GRACE_MS: String(graceMs),
      NODE_OPTIONS: onUserSignal(`for (const end = Date.now() + ${busyMs}; Date.now() < end; );`),
    },
  });
});
afterAll(() => server[Symbol.asyncDispose]());

async function crowd(userId: string): Promise<Crowd> {
  const token = await userToken(userId);
  const closed: number[] = [];
  let pings = 0;
  const heads = new Map<WebSocket, number>();
  const open = async (): Promise<void> => {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/ws`, ["runcast.v1"]);
    socket.on("ping", () => (pings += 1));
    socket.on("close", (code) => closed.push(code));
    const welcomed = Promise.withResolvers<void>();
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString("utf8"));
      if (frame.type === "welcome") welcomed.resolve();
      if (frame.type === "events") heads.set(socket, frame.upto);
    });
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "hello", token, from: "start" }));
    await welcomed.promise;
    heads.set(socket, heads.get(socket) ?? 0);
  };
  await Promise.all(Array.from({ length: clientCount }, open));
  return {
    closed,
    pings: () => pings,
    has: async (offset) => {
      await expect.poll(() => Math.min(...heads.values()), patience).toBeGreaterThanOrEqual(offset);
    },
    end: () => {
      for (const socket of heads.keys()) socket.terminate();
    },
  };
}

describe("a server that stands still for a while", () => {
  it.each<[string, number, () => Promise<void>]>([
    [
      "stopped",
      stoppedMs,
      async () => {
        server.signal("SIGSTOP");
        await wait(stoppedMs);
        server.signal("SIGCONT");
      },
    ],
    ["busy", busyMs, async () => server.signal("SIGUSR2")],
  ])(
    `cuts none of ${clientCount} healthy clients: %s for %i ms`,
    async (how, _, pause) => {
      const clients = await crowd(how);
      const publisher = new HttpPublisher(server.url);
      const run = await publisher.startRun({ userId: how, runId: how });
      await clients.has(run.offset);
      for (let round = 0; round < rounds; round += 1) {
        // Right after a ping: its answers wait at the door while the server stands still.
        const before = clients.pings();
        await expect.poll(clients.pings, patience).toBeGreaterThan(before);
        await pause();
        const { offset } = await publisher.publish(run, [thinking]);
        await clients.has(offset);
        // Two whole rounds of pings later whoever was taken for dead would be gone.
        const after = clients.pings();
        await expect.poll(clients.pings, patience).toBeGreaterThan(after + 2 * clientCount);
        // And its run has not been taken from its publisher, who was no quieter than the server.
        await publisher.publish(run, [thinking]);
      }
      expect(clients.closed).toEqual([]);
      const { offset } = await publisher.publish(run, [{ type: "agent_completed", data: {} }]);
      await clients.has(offset);
      console.info(`${how}: ${rounds} round(s), ${clients.closed.length} of ${clientCount} cut`);
      clients.end();
    },
    rounds * roundPatienceMs,
  );
});
