import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import * as Effect from "effect/Effect";
import { ApiKeys } from "../../src/auth/api-key.ts";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import { secret, token } from "./support/house.ts";
import { hello, openSocket, refusedSocket } from "./support/socket.ts";

let server: Server;
let gatewayOptions: ConstructorParameters<typeof Gateway>[0];
let url: string;
let detach: () => void;
let drain: () => Promise<void>;

beforeAll(async () => {
  const authenticator = await Effect.runPromise(
    jwtAuthenticator({ key: { kind: "secret", secret }, clock: systemClock }),
  );
  const parts = makeRuntime({
    log: memoryLog(),
    authenticate: (given) => Effect.runPromise(authenticator.authenticate(given)),
  });
  await parts.start();
  server = createServer((request, response) => response.end(`the application at ${request.url}`));
  gatewayOptions = { runtime: parts.service, authenticator, apiKeys: new ApiKeys([]) };
  detach = new Gateway(gatewayOptions).attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  drain = () => Effect.runPromise(parts.service.drain);
});
afterAll(async () => {
  await drain();
  server.closeAllConnections();
  server.close();
});

describe("an application's server", () => {
  it("keeps its own paths, and gets ours", async () => {
    expect(await (await fetch(`${url}/`)).text()).toBe("the application at /");
    expect(await (await fetch(`${url}/v1x`)).text()).toBe("the application at /v1x");
    expect(await (await fetch(`${url}/metrics`)).text()).toBe("the application at /metrics");
    expect((await fetch(`${url}/v1/runs`)).status).toBe(401);
    const socket = await hello(url, await token("alice"));
    expect(await socket.nextOf("welcome")).toMatchObject({ userId: "alice" });
    await socket.close();
  });

  it("answers an upgrade that nobody owns with 404, and leaves one to its owner", async () => {
    expect((await refusedSocket(url, { path: "/other" })).status).toBe(404);
    const theirs = new WebSocketServer({ noServer: true });
    const onUpgrade: Parameters<typeof server.on>[1] = (request, socket, head) => {
      if (request.url === "/other")
        theirs.handleUpgrade(request, socket, head, (webSocket) => webSocket.send('{"type":"pong"}'));
    };
    server.on("upgrade", onUpgrade);
    const socket = await openSocket(url, { path: "/other" });
    expect(await socket.next()).toEqual({ type: "pong" });
    await socket.close();
    server.off("upgrade", onUpgrade);
    theirs.close();
  });

  it("without listeners of its own answers 404 instead of hanging, until one comes", async () => {
    const bare = createServer();
    const leave = new Gateway(gatewayOptions).attach(bare);
    await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve));
    const bareUrl = `http://127.0.0.1:${(bare.address() as AddressInfo).port}`;
    expect((await fetch(`${bareUrl}/`)).status).toBe(404);
    expect((await fetch(`${bareUrl}/v1/runs`)).status).toBe(401);
    bare.on("request", (_request, response) => response.end("a late one"));
    expect(await (await fetch(`${bareUrl}/`)).text()).toBe("a late one");
    leave();
    bare.closeAllConnections();
    bare.close();
  });

  it("is as before once we are gone", async () => {
    detach();
    expect(await (await fetch(`${url}/v1/runs`)).text()).toBe("the application at /v1/runs");
    expect(server.listenerCount("upgrade")).toBe(0);
  });
});
