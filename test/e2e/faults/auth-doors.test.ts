import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyAudit } from "../../../src/auth/audit-verify.ts";
import { hello, openSocket, refusedSocket } from "../../gateway/support/socket.ts";
import { BlackBox } from "../../support/black-box.ts";
import { apiKeys, BuiltServer, userToken } from "../../support/built-server.ts";
import { launchChromium } from "../../support/chromium.ts";
import { eventually } from "../../support/eventually.ts";
import { call } from "../../support/http-reader.ts";
import { SseStream } from "../../support/sse-stream.ts";
import { strippingProxy } from "../../support/stripping-proxy.ts";

const daySeconds = 86_400;
const nowSeconds = () => Math.floor(Date.now() / 1_000);
const auditFile = (server: BuiltServer): string => join(server.directory, "runcast.audit.jsonl");
const connected = async (url: string, token: string) => {
  const socket = await hello(url, token);
  await socket.nextOf("welcome");
  return socket;
};

describe("a proxy that strips Authorization (LESSON 43)", () => {
  let box: BlackBox;
  beforeAll(async () => {
    box = await BlackBox.start();
  });
  afterAll(() => box[Symbol.asyncDispose]());

  it("keeps nobody out who has another way: subprotocol, hello, ticket on the socket and on the stream", async () => {
    await using proxy = await strippingProxy(box.url);
    const token = await userToken("ana");
    expect(
      (await refusedSocket(proxy.url, { headers: { authorization: `Bearer ${token}` }, path: "/v1/ws?ticket=x" }))
        .status,
    ).toBe(401);
    const ticket = async () => (await call(box.url, "POST /v1/tickets", { as: token, body: {} })).body.ticket;
    const ways = [
      [{ protocols: ["runcast.v1", `bearer.${token}`] }, {}],
      [{}, { token }],
      [{ headers: { authorization: `Bearer ${token}` } }, { token }],
      [{ path: `/v1/ws?ticket=${await ticket()}` }, {}],
    ] as const;
    for (const [options, more] of ways) {
      const socket = await openSocket(proxy.url, options);
      socket.send({ type: "hello", ...more });
      expect((await socket.nextOf("welcome")).userId).toBe("ana");
      await socket.close();
    }
    await expect(SseStream.open(proxy.url, token)).rejects.toThrow("401");
    const stream = await SseStream.open(proxy.url, "", `?ticket=${await ticket()}`);
    expect(await stream.until(({ type }) => type === "welcome")).toMatchObject({ userId: "ana" });
    stream.close();
  });
});

describe("a page of another origin (FAULTS 34)", () => {
  it("cannot open a socket from a real browser, whatever it sends; the same page on an allowed origin can", async () => {
    const page = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>hi"));
    page.listen(0, "127.0.0.1");
    await once(page, "listening");
    const port = (page.address() as AddressInfo).port;
    const allowed = `http://127.0.0.1:${port}`;
    const server = await BuiltServer.start({ env: { RUNCAST_ALLOWED_ORIGINS: allowed } });
    const browser = await launchChromium();
    try {
      const token = await userToken("ana");
      const attempt = async (origin: string): Promise<string> => {
        const tab = await browser.newPage();
        await tab.goto(origin);
        const outcome = await tab.evaluate(
          ([url, bearer]) =>
            new Promise<string>((resolve) => {
              const socket = new WebSocket(`${url}/v1/ws`, ["runcast.v1", `bearer.${bearer}`]);
              socket.onopen = () => resolve("open");
              socket.onerror = () => resolve("refused");
            }),
          [server.url.replace("http", "ws"), token] as const,
        );
        await tab.close();
        return outcome;
      };
      expect(await attempt(`http://localhost:${port}`)).toBe("refused");
      expect(await attempt(allowed)).toBe("open");
      await eventually(() => expect(readFileSync(auditFile(server), "utf8")).toContain('"reason":"origin"'));
    } finally {
      await browser.close();
      page.close();
      await server[Symbol.asyncDispose]();
    }
  });
});

describe("a token (FAULTS 35)", () => {
  it("is found nowhere that the server writes or answers, at level debug, wherever it was put", async () => {
    const server = await BuiltServer.start({ env: { RUNCAST_LOG_LEVEL: "debug" } });
    const { url } = server;
    const canary = "canary-5f3a9c";
    const good = await userToken("ana", { jti: canary });
    const [, payload = "", signature = ""] = good.split(".");
    const bad = `${canary}.${canary}.${canary}`;
    const said: string[] = [];
    const note = (value: unknown): void => void said.push(typeof value === "string" ? value : JSON.stringify(value));
    for (const token of [bad, `${good}x`]) {
      note(await refusedSocket(url, { headers: { authorization: `Bearer ${token}` } }));
      note(await refusedSocket(url, { protocols: ["runcast.v1", `bearer.${token}`] }));
      note(await refusedSocket(url, { path: `/v1/ws?ticket=${token}` }));
      for (const name of ["token", "access_token", "api_key"])
        note(await refusedSocket(url, { path: `/v1/ws?${name}=${token}` }));
      const socket = await openSocket(url);
      socket.send({ type: "hello", token });
      note(await socket.ended);
      for (const path of [
        "GET /v1/runs",
        `GET /v1/stream?ticket=${token}`,
        `GET /v1/runs?token=${token}`,
        `GET /${token}`,
      ])
        note((await call(url, path, { as: token })).text);
      note((await call(url, `GET /v1/runs/${token}`, { headers: { authorization: `Basic ${token}` } })).text);
    }
    const tab = await connected(url, good);
    tab.send({ type: "auth", token: bad });
    note(await tab.ended);
    note(tab.frames);
    const kept = await connected(url, good);
    kept.send({ type: "auth", token: good });
    kept.send({ type: "confirm" });
    await eventually(() => expect(kept.authStates.at(-1)).toBe("auth_completed"));
    note(kept.frames);
    note((await call(url, "GET /metrics")).text);
    note((await call(url, "GET /v1/audit?limit=1000", { as: apiKeys.admin })).text);
    await kept.close();
    await server.terminate();
    note(server.stdout);
    note(server.stderr);
    for (const name of readdirSync(server.directory)) {
      const path = join(server.directory, name);
      if (statSync(path).isFile()) note(readFileSync(path, "latin1"));
    }
    const all = said.join("\n");
    for (const secret of [canary, payload, signature]) expect(all.includes(secret), secret).toBe(false);
    expect(all).toContain('"auth_failed"');
    await server[Symbol.asyncDispose]();
  });
});

describe("the end of a credential on the built server (FAULTS 37, 38)", () => {
  it("of thirty days, ten years and the year 9999 does not come early", async () => {
    await using box = await BlackBox.start();
    const ends = [nowSeconds() + 30 * daySeconds, nowSeconds() + 3_650 * daySeconds, 253_402_300_799];
    const sockets = await Promise.all(ends.map(async (exp) => connected(box.url, await userToken("ana", { exp }))));
    // Whoever waits for it with a timer that overflows is cut at once.
    const short = await connected(box.url, await userToken("bob", { exp: nowSeconds() + 2 }));
    expect((await short.ended).code).toBe(4401);
    for (const socket of sockets) {
      expect(socket.frames.filter(({ type }) => type === "auth_expiring")).toEqual([]);
      socket.send({ type: "ping", ref: 1 });
      await socket.nextOf("pong");
      await socket.close();
    }
  });

  it("by revocation cuts sockets and streams within a second, while events flow, and holds over a kill -9", async () => {
    await using box = await BlackBox.start();
    const token = await userToken("alice", { iat: nowSeconds() - 10 });
    const tabs = await Promise.all(Array.from({ length: 20 }, () => connected(box.url, token)));
    const stream = await SseStream.open(box.url, token);
    await stream.until(({ type }) => type === "welcome");
    const run = await box.start();
    const flow = Promise.all(
      Array.from({ length: 50 }, () => box.say(run, [{ type: "agent_thinking", data: { thought: "secret" } }])),
    );
    const startMs = performance.now();
    const { body } = await box.call("POST /v1/revocations", { as: apiKeys.admin, body: { userId: "alice" } });
    expect(body).toEqual({ connections: 21, tickets: 0, notices: 0 });
    for (const tab of tabs) expect(await tab.ended).toEqual({ code: 4401, reason: "revoked" });
    await stream.untilAuth("auth_revoked");
    const cutMs = performance.now() - startMs;
    expect(cutMs).toBeLessThan(1_000);
    await flow;
    await box.server.kill9();
    await box.server.restart();
    expect((await refusedSocket(box.url, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401);
    await connected(box.url, await userToken("alice", { iat: nowSeconds() + 1 }));
    await connected(box.url, await userToken("bob"));
  });
});

describe("RUNCAST_CONFIRM_AUTH=1", () => {
  it("closes who does not confirm with 4408 after five seconds, and writes down who does", async () => {
    await using box = await BlackBox.start({ env: { RUNCAST_CONFIRM_AUTH: "1" } });
    const [silent, polite] = [
      await connected(box.url, await userToken("ana")),
      await connected(box.url, await userToken("bob")),
    ];
    const startMs = performance.now();
    polite.send({ type: "confirm" });
    expect(await silent.ended).toEqual({ code: 4408, reason: "no confirm" });
    expect(performance.now() - startMs).toBeGreaterThan(4_500);
    polite.send({ type: "ping", ref: 1 });
    await polite.nextOf("pong");
    const { body } = await box.call("GET /v1/audit?limit=1000", { as: apiKeys.admin });
    const trail = (userId: string) =>
      body.entries
        .filter((entry: { userId?: string }) => entry.userId === userId)
        .map(({ action }: { action: string }) => action);
    expect(trail("bob")).toEqual(["auth_completed", "auth_confirmed"]);
    expect(trail("ana")).toEqual(["auth_completed", "auth_failed"]);
    await polite.close();
  });
});

describe("the audit log of the built server", () => {
  it("is whole after kill -9 at any moment under load, and after the restart", async () => {
    await using box = await BlackBox.start();
    const file = auditFile(box.server);
    for (let round = 0; round < 4; round += 1) {
      const sizeBefore = statSync(file).size;
      const storm = Promise.allSettled(
        Array.from({ length: 100 }, async (_, at) => connected(box.url, await userToken(`user-${at}`))),
      );
      await eventually(() => expect(statSync(file).size).toBeGreaterThan(sizeBefore + round * 4_000));
      await box.server.kill9();
      await storm;
      const verdict = await verifyAudit({ file });
      expect(verdict.kind === "whole" || verdict.fault === "torn", JSON.stringify(verdict)).toBe(true);
      await box.server.restart();
    }
    await connected(box.url, await userToken("ana"));
    await box.server.terminate();
    const verdict = await verifyAudit({ file });
    expect(verdict).toMatchObject({ kind: "whole" });
    expect(readFileSync(file, "utf8")).toContain('"userId":"ana"');
  });
});
