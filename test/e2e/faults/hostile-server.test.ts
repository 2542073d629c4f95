import { spawn } from "node:child_process";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";

const fixture = fileURLToPath(new URL("./fixtures/led-astray.ts", import.meta.url));
const mb = 1_000_000;
/** A process that does nothing has about 100; a frame of 50 MB is one text of the platform before anybody can look at it. */
const maxClientMb = 450;
const maxPublisherMb = 250;

interface Fared {
  readonly rssMb: number;
  readonly uncaught: readonly string[];
  readonly states: readonly string[];
  readonly failures: readonly string[];
}

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** How a process fares that takes this server for its own. */
async function fare(
  as: "client" | "publisher",
  onSocket: (socket: WebSocket) => void,
  onRequest?: RequestListener,
  deflate = false,
): Promise<Fared> {
  const http = createServer(onRequest);
  const sockets = new WebSocketServer({ server: http, perMessageDeflate: deflate ? { threshold: 0 } : false });
  sockets.on("connection", (socket) => {
    socket.on("error", () => {});
    onSocket(socket);
  });
  open.push(() => {
    for (const socket of sockets.clients) socket.terminate();
    http.closeAllConnections();
    http.close();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const child = spawn(execPath, ["--disable-warning=ExperimentalWarning", fixture, url, as], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  await once(child, "close");
  if (child.exitCode !== 0) throw new Error(`it ended with ${child.exitCode} ${child.signalCode}: ${said}`);
  return JSON.parse(said.trim().split("\n").at(-1) ?? "") as Fared;
}

const welcome = {
  type: "welcome",
  connectionId: "c",
  userId: "u",
  epoch: "e",
  head: 5,
  resumed: "fresh",
  heartbeatMs: 15_000,
  windowEvents: 10,
  expiresAt: "2030-01-01T00:00:00.000Z",
};
const event = (offset: number, more: object = {}) => ({
  id: String(offset),
  type: "x.a",
  offset,
  time: "2026-01-01T00:00:00.000Z",
  data: {},
  ...more,
});
const say = (socket: WebSocket, ...frames: readonly unknown[]): void => {
  for (const frame of frames)
    socket.send(typeof frame === "string" || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
};
/** As fast as the other side reads. */
const endless = (socket: WebSocket, frame: (at: number) => unknown, at = 1): void => {
  if (socket.readyState === socket.OPEN)
    socket.send(JSON.stringify(frame(at)), () => setImmediate(endless, socket, frame, at + 1));
};

describe("a client that was led to a hostile server (FAULTS 65)", () => {
  it.concurrent.each<[string, (socket: WebSocket) => void]>([
    ["a frame of 50 MB", (socket) => say(socket, `{"type":"pong","ref":"${" ".repeat(50 * mb)}"}`)],
    [
      "events without end, and no ack awaited",
      (socket) => {
        say(socket, { ...welcome, head: 0 });
        endless(socket, (at) => ({
          type: "events",
          after: at - 1,
          upto: at,
          events: [event(at, { data: { text: "x".repeat(10_000) } })],
        }));
      },
    ],
    [
      "statuses of ever new channels",
      (socket) => {
        say(socket, welcome);
        endless(socket, (at) => ({ type: "status", channel: `c${at}`, state: "x".repeat(100) }));
      },
    ],
    [
      "frames of wrong types",
      (socket) => {
        const frames = [
          "null",
          "5",
          "[]",
          '"x"',
          '{"type":5}',
          '{"type":"__proto__"}',
          '{"type":"welcome"}',
          '{"__proto__":{"type":"welcome"}}',
          Buffer.from([1, 2, 3]),
        ];
        say(
          socket,
          welcome,
          { type: "events", after: 5, upto: 9, events: [null, 7, { type: 3 }, event(6, { data: null })] },
          ...frames,
        );
        say(
          socket,
          { ...welcome, head: 2 ** 53 },
          { type: "snapshot", at: 5, runs: [null, { runId: 5 }] },
          { type: "goodbye", reason: "x", retryAfterMs: 1e300 },
        );
      },
    ],
    [
      "a snapshot of nonsense",
      (socket) =>
        say(
          socket,
          { ...welcome, resumed: "snapshot" },
          { type: "snapshot", at: 5, runs: [null, 1, { runId: {}, messages: 1, tools: "x" }] },
          {
            type: "events",
            after: 5,
            upto: 6,
            events: [event(6, { type: "agent_delta", runId: "r", seq: 2, data: { messageId: 5, text: {} } })],
          },
        ),
    ],
  ])(
    "neither throws nor fills its memory: %s",
    async (_, onSocket) => {
      const fared = await fare("client", onSocket);
      expect(fared.uncaught).toEqual([]);
      expect(fared.rssMb).toBeLessThan(maxClientMb);
    },
    60_000,
  );

  it.concurrent("does not inflate what was deflated to burst it", async () => {
    const fared = await fare(
      "client",
      (socket) => say(socket, `{"type":"pong","ref":"${" ".repeat(200 * mb)}"}`),
      undefined,
      true,
    );
    expect(fared.uncaught).toEqual([]);
    expect(fared.rssMb).toBeLessThan(maxClientMb);
  }, 60_000);
});

describe("a publisher that was led to a hostile server (FAULTS 65)", () => {
  it.concurrent.each<[string, RequestListener]>([
    [
      "an answer without end",
      (_, response) => {
        response.writeHead(201, { "content-type": "application/json" });
        const more = (): void => {
          if (!response.destroyed) response.write(" ".repeat(1 * mb), () => setImmediate(more));
        };
        more();
      },
    ],
    [
      "an answer of 300 MB in 300 KB",
      (_, response) => {
        response.writeHead(201, { "content-type": "application/json", "content-encoding": "gzip" });
        response.end(bomb);
      },
    ],
    ["a list", (_, response) => response.writeHead(201).end("[]")],
    [
      "an error that is none",
      (_, response) => response.writeHead(409).end('{"error":{"code":{},"message":7,"details":[]}}'),
    ],
    ["a way to somebody else", (_, response) => response.writeHead(307, { location: "http://127.0.0.1:1/" }).end()],
  ])(
    "hears of a failure, and neither throws nor fills its memory: %s",
    async (_, onRequest) => {
      const fared = await fare("publisher", () => {}, onRequest);
      expect(fared.uncaught).toEqual([]);
      expect(fared.failures).toHaveLength(1);
      expect(fared.rssMb).toBeLessThan(maxPublisherMb);
    },
    60_000,
  );
});

const bomb = gzipSync(Buffer.alloc(300 * mb, 0x20));
