/** What must hold behind any proxy that is shipped with a configuration: one node, reached through it alone. */
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSocket, refusedSocket } from "../../../gateway/support/socket.ts";
import { BlackBox, refused } from "../../../support/black-box.ts";
import { apiKeys, userToken } from "../../../support/built-server.ts";
import { eventually } from "../../../support/eventually.ts";
import { call } from "../../../support/http-reader.ts";
import type { ProxyName } from "../../../support/real-proxy.ts";
import { RealProxy } from "../../../support/real-proxy.ts";
import { SseStream } from "../../../support/sse-stream.ts";

const heartbeatMs = 1_000;
/** Of the proxy, for an idle line: more than two heartbeats, as in what is shipped. */
const idleSeconds = 3;
/** After that line is cut, so that the socket is silent but for them for twice as long as a line may be. */
const heartbeats = 3;
const atOnceMs = 1_000;
const largeChars = 300_000;
const tooLargeChars = 1_100_000;
const limited = "203.0.113.7";
const tiers = { perAddress: { connections: 1 } };

export function behindProxy(name: ProxyName): void {
  let box: BlackBox;
  let proxy: RealProxy;
  beforeAll(async () => {
    box = await BlackBox.start({
      env: {
        RUNCAST_HEARTBEAT_MS: String(heartbeatMs),
        RUNCAST_TRUSTED_PROXIES: "127.0.0.1",
        RUNCAST_TIERS: JSON.stringify(tiers),
      },
    });
    const node = Number(new URL(box.url).port);
    proxy = await RealProxy.start(name, { nodes: [node], idleSeconds });
  });
  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await box?.[Symbol.asyncDispose]();
  });

  const publish = (path: string, body: unknown) => call(proxy.url, `POST /v1/${path}`, { as: apiKeys.both, body });
  const startRun = async (userId: string) => (await publish("runs", { userId, agent: "tester" })).body;

  describe(`a node behind ${name}`, () => {
    it("takes a WebSocket with its subprotocol and a ticket, once, and publishes reach it", async () => {
      const ticket = await call(proxy.url, "POST /v1/tickets", { as: await userToken("ann") });
      const path = `/v1/ws?ticket=${ticket.body.ticket}`;
      const socket = await openSocket(proxy.url, { path });
      expect(socket.raw.protocol).toBe("runcast.v1");
      socket.send({ type: "hello", from: "now" });
      expect(await socket.nextOf("welcome")).toMatchObject({ userId: "ann" });
      await startRun("ann");
      expect(await socket.nextOf("events")).toMatchObject({ events: [{ type: "agent_started" }] });
      expect(await refusedSocket(proxy.url, { path })).toMatchObject({ status: 401 });
      await socket.close();
      if (name !== "nginx") return;
      await eventually(() => expect(proxy.accessLog()).toContain('"GET /v1/ws" 101'));
      expect(proxy.accessLog()).not.toContain(ticket.body.ticket);
    });

    it("takes a WebSocket with a token as a subprotocol, which is not given back", async () => {
      const protocols = ["runcast.v1", `bearer.${await userToken("abe")}`];
      const socket = await openSocket(proxy.url, { protocols });
      expect(socket.raw.protocol).toBe("runcast.v1");
      socket.send({ type: "hello" });
      expect(await socket.nextOf("welcome")).toMatchObject({ userId: "abe" });
      await socket.close();
    });

    it("streams server-sent events as they are published, and resumes by Last-Event-ID", async () => {
      const token = await userToken("bob");
      const run = await startRun("bob");
      const stream = await SseStream.open(proxy.url, token, "?from=start");
      await stream.until((frame) => frame.type === "events");
      for (const thought of ["one", "two"]) {
        const startMs = performance.now();
        await publish(`runs/${run.runId}/events`, {
          fence: run.fence,
          events: [{ type: "x.said", data: { thought } }],
        });
        await stream.until((frame) => frame.type === "events" && JSON.stringify(frame.events).includes(thought));
        expect(performance.now() - startMs).toBeLessThan(atOnceMs);
      }
      const lastEventId = stream.lastEventId ?? "";
      stream.close();
      await publish(`runs/${run.runId}/events`, {
        fence: run.fence,
        events: [{ type: "x.said", data: { thought: "3" } }],
      });
      const again = await SseStream.open(proxy.url, token, "", { "last-event-id": lastEventId });
      expect(await again.until((frame) => frame.type === "events")).toMatchObject({ after: 3, upto: 4 });
      expect(again.frames[0]).toMatchObject({ type: "welcome", resumed: "replayed" });
      again.close();
    });

    it("takes a body of 300 KB, and says itself what is too large", async () => {
      const run = await startRun("cat");
      const say = (chars: number) =>
        publish(`runs/${run.runId}/events`, {
          fence: run.fence,
          events: [{ type: "x.said", data: { text: "a".repeat(chars) } }],
        });
      expect(await say(largeChars)).toMatchObject({ status: 200, body: { seq: 2 } });
      expect(refused(await say(tooLargeChars))).toMatchObject({ status: 413, code: "too_large" });
    });

    it("keeps an idle socket open by its heartbeats, while it cuts a line that is silent for too long", async () => {
      const token = await userToken("dan");
      const socket = await openSocket(proxy.url, { protocols: ["runcast.v1", `bearer.${token}`] });
      socket.send({ type: "hello", from: "now" });
      await socket.nextOf("welcome");
      // Its comments come every 15 s: far too seldom for this proxy, and often enough for what is shipped.
      const stream = await SseStream.open(proxy.url, token, "?from=now");
      await stream.until((frame) => frame.type === "welcome");
      await expect(stream.until((frame) => frame.type === "events")).rejects.toThrow("the stream ended");
      for (let beat = 0; beat < heartbeats; beat += 1) await once(socket.raw, "ping");
      await startRun("dan");
      expect(await socket.nextOf("events")).toMatchObject({ upto: 1 });
      await socket.close();
    });

    it("hears where a client is, and takes nobody's word for it who is no proxy of ours", async () => {
      const protocols = ["runcast.v1", `bearer.${await userToken("eve")}`];
      const from = (address: string, localAddress = "127.0.0.1") => ({
        protocols,
        localAddress,
        headers: { "x-forwarded-for": address },
      });
      const first = await openSocket(proxy.url, from(limited));
      expect(await refusedSocket(proxy.url, from(limited))).toMatchObject({ status: 429 });
      // Another address of this machine: a stranger, who says that he is somebody else.
      const stranger = await openSocket(proxy.url, from(limited, "127.0.0.2"));
      for (const socket of [first, stranger]) await socket.close();
    });

    it("keeps what it counts for who watches it at the node", async () => {
      expect((await call(proxy.url, "GET /metrics")).status).toBe(404);
      expect((await box.call("GET /metrics")).status).toBe(200);
    });
  });
}
