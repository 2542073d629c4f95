/** FAULTS 29, 32: sockets that say nothing, and more of them than the process may have open. */
import { once } from "node:events";
import { Agent, request } from "node:http";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hello } from "../../gateway/support/socket.ts";
import { apiKeys, BuiltServer, userToken } from "../../support/built-server.ts";
import { call } from "../../support/http-reader.ts";

const openFiles = 96;
const floodCount = 300;
/** Of the contract 5 s, and of a busy machine the rest. */
const heldLimitMs = 9_000;
const timeoutMs = 60_000;

interface Held {
  readonly socket: Socket;
  /** From the connect to the close by the server. Units: ms. */
  readonly closed: Promise<number>;
}

function hold(url: string, bytes: string): Held {
  const { hostname, port } = new URL(url);
  const startMs = performance.now();
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.on("data", () => {});
  if (bytes !== "") socket.write(bytes);
  const closed = once(socket, "close").then(() => performance.now() - startMs);
  return { socket, closed };
}

/** A publisher that keeps its one connection: a new one would be closed like those of the flood. */
function keptPublisher(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = async (
    path: string,
    body: unknown,
  ): Promise<{ status: number; body: ReturnType<typeof JSON.parse> }> => {
    const asked = request(`${url}/v1/${path}`, {
      agent,
      method: "POST",
      headers: { authorization: `Bearer ${apiKeys.both}`, "content-type": "application/json" },
    });
    asked.end(JSON.stringify(body));
    const [response] = await once(asked, "response");
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    return { status: response.statusCode, body: JSON.parse(text) };
  };
  return { post, end: () => agent.destroy() };
}

let server: BuiltServer;
beforeAll(async () => {
  server = await BuiltServer.start({ openFiles });
});
afterAll(() => server[Symbol.asyncDispose]());

describe("sockets that say nothing", () => {
  it(
    "are closed within seconds, empty or with half a request, and no user is",
    async () => {
      const user = await hello(server.url, await userToken("alice"));
      const held = ["", "", "GET /v1/ws HTTP/1.1\r\n", "POST /v1/runs HTTP/1.1\r\nHost: x\r\nX-Slow: "].map((bytes) =>
        hold(server.url, bytes),
      );
      const times = await Promise.all(held.map(({ closed }) => closed));
      expect(Math.max(...times)).toBeLessThan(heldLimitMs);
      user.send({ type: "ping", ref: 1 });
      expect(await user.nextOf("pong")).toMatchObject({ ref: 1 });
      await user.close();
    },
    timeoutMs,
  );
});

describe("more sockets than the process may have open", () => {
  it(
    "are closed unheard; users are served, the log goes on, the operator is told, and it ends by itself",
    async () => {
      const publisher = keptPublisher(server.url);
      const made = await publisher.post("runs", { userId: "alice", agent: "tester" });
      expect(made.status).toBe(201);
      const { runId, fence } = made.body;
      const user = await hello(server.url, await userToken("alice"), { from: "now" });
      const flood = Array.from({ length: floodCount }, () => hold(server.url, ""));
      const say = (at: number) =>
        publisher.post(`runs/${runId}/events`, { fence, events: [{ type: "x.note", data: { at } }] });
      for (let at = 0; at < 20; at += 1) expect((await say(at)).status).toBe(200);
      const seen: number[] = [];
      while (seen.length < 20) {
        const { events } = await user.nextOf("events");
        for (const { data } of events) seen.push((data as { at: number }).at);
      }
      expect(seen).toEqual(Array.from({ length: 20 }, (_, at) => at));
      // Neither the log nor anything else ran out of files.
      expect(server.stderr).not.toMatch(/EMFILE|log\.down/);
      expect(server.stderr).toContain("sockets.exhausted");
      for (const { socket } of flood) socket.destroy();
      await expect.poll(async () => (await call(server.url, "GET /livez")).status, { timeout: heldLimitMs }).toBe(200);
      const { text } = await call(server.url, "GET /metrics");
      const dropped = Number(/^runcast_sockets_dropped_total (\d+)$/m.exec(text)?.[1]);
      expect(dropped).toBeGreaterThan(floodCount - openFiles);
      const alerts = await call(server.url, "GET /v1/alerts", { as: apiKeys.admin });
      expect(JSON.stringify(alerts.body)).toContain("SocketsExhausted");
      await user.close();
      publisher.end();
    },
    timeoutMs,
  );
});
