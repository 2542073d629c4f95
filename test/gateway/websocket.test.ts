import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { House } from "./support/house.ts";
import { keys, openHouse, token } from "./support/house.ts";
import { hello, openSocket, refusedSocket } from "./support/socket.ts";

let house: House;
beforeAll(async () => {
  house = await openHouse({ runtime: { helloMs: 400 }, gateway: { allowedOrigins: ["https://app.example"] } });
});
afterAll(() => house.close());

const bearer = (value: string) => ({ authorization: `Bearer ${value}` });
const welcomeOf = async (socket: Awaited<ReturnType<typeof openSocket>>) => {
  const welcome = await socket.nextOf("welcome");
  await socket.close();
  return welcome;
};

describe("a WebSocket's credential", () => {
  it("comes in the Authorization header", async () => {
    const socket = await hello(house.url, await token("alice"));
    const welcome = await welcomeOf(socket);
    expect(welcome).toMatchObject({ type: "welcome", userId: "alice", windowEvents: 1_024, heartbeatMs: 15_000 });
  });

  it("comes in a second subprotocol, which is never echoed", async () => {
    const socket = await openSocket(house.url, { protocols: ["runcast.v1", `bearer.${await token("alice")}`] });
    expect(socket.raw.protocol).toBe("runcast.v1");
    socket.send({ type: "hello" });
    expect(await welcomeOf(socket)).toMatchObject({ userId: "alice" });
  });

  it("may stand before the version", async () => {
    const socket = await openSocket(house.url, { protocols: [`bearer.${await token("alice")}`, "runcast.v1"] });
    expect(socket.raw.protocol).toBe("runcast.v1");
    await socket.close();
  });

  it("comes as a ticket, once", async () => {
    const { body } = await house.call("POST", "/v1/tickets", { as: await token("alice") });
    const path = `/v1/ws?ticket=${body.ticket}`;
    const socket = await openSocket(house.url, { path });
    socket.send({ type: "hello" });
    expect(await welcomeOf(socket)).toMatchObject({ userId: "alice" });
    expect((await refusedSocket(house.url, { path })).status).toBe(401);
  });

  it("as a ticket lets one of many in that come at once", async () => {
    const { body } = await house.call("POST", "/v1/tickets", { as: await token("alice") });
    const all = await Promise.allSettled(
      Array.from({ length: 10 }, () => openSocket(house.url, { path: `/v1/ws?ticket=${body.ticket}` })),
    );
    const open = all.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    expect(open).toHaveLength(1);
    await open[0]?.close();
  });

  it("comes in hello", async () => {
    const socket = await openSocket(house.url);
    socket.send({ type: "hello", token: await token("bob", "acme") });
    expect(await welcomeOf(socket)).toMatchObject({ userId: "bob" });
  });

  it("in hello must name the user of the header", async () => {
    const socket = await hello(house.url, await token("alice"), { token: await token("bob") });
    expect(await socket.ended).toMatchObject({ code: 4403 });
  });

  it.each([
    ["a bad token in the header", async () => ({ headers: bearer("a.b.c") })],
    ["an expired token", async () => ({ headers: bearer(await token("alice", "default", -1_000)) })],
    ["another scheme", async () => ({ headers: { authorization: "Basic YTpi" } })],
    ["an empty header", async () => ({ headers: { authorization: "" } })],
    ["an API key", async () => ({ headers: bearer(keys.both) })],
    ["a bad token in the subprotocol", async () => ({ protocols: ["runcast.v1", "bearer.a.b.c"] })],
    ["an empty token in the subprotocol", async () => ({ protocols: ["runcast.v1", "bearer."] })],
    ["an unknown ticket", async () => ({ path: "/v1/ws?ticket=nobody" })],
    ["an empty ticket", async () => ({ path: "/v1/ws?ticket=" })],
    ["a good token in the URL", async () => ({ path: `/v1/ws?token=${await token()}` })],
    ["a good access_token in the URL", async () => ({ path: `/v1/ws?access_token=${await token()}` })],
    ["a token in the URL beside a good header", async () => ({ path: "/v1/ws?JWT=x", headers: bearer(await token()) })],
  ])("is refused with 401 before the upgrade: %s", async (_, options) => {
    const before = house.runtime.stats().connections;
    const refused = await refusedSocket(house.url, await options());
    expect(refused.status).toBe(401);
    expect(refused.body.error.code).toBe("unauthenticated");
    expect(refused.headers["www-authenticate"]).toBe("Bearer");
    expect(house.runtime.stats().connections).toBe(before);
  });

  it.each([
    ["bad", { type: "hello", token: "a.b.c" }],
    ["missing", { type: "hello" }],
    ["an API key", { type: "hello", token: keys.both }],
  ])("closes 4401 when it is %s in hello", async (_, frame) => {
    const socket = await openSocket(house.url);
    socket.send(frame);
    expect(await socket.ended).toMatchObject({ code: 4401 });
  });
});

describe("a WebSocket's subprotocol", () => {
  it.each([
    ["another version", ["runcast.v9"]],
    ["none", []],
    ["a token alone", ["bearer.a.b.c"]],
    ["another case", ["Runcast.V1"]],
  ])("is refused with 426: %s", async (_, protocols) => {
    const refused = await refusedSocket(house.url, { protocols });
    expect(refused.status).toBe(426);
    expect(refused.body.error.code).toBe("upgrade_required");
    expect(refused.headers["sec-websocket-protocol"]).toBe("runcast.v1");
  });

  it("is chosen among several versions", async () => {
    const socket = await openSocket(house.url, { protocols: ["runcast.v9", "runcast.v1"] });
    expect(socket.raw.protocol).toBe("runcast.v1");
    await socket.close();
  });
});

describe("a WebSocket's origin", () => {
  it.each([
    ["our own", () => house.url],
    ["an allowed one", () => "https://app.example"],
  ])("passes: %s", async (_, origin) => {
    const socket = await openSocket(house.url, { origin: origin(), headers: bearer(await token()) });
    socket.send({ type: "hello" });
    expect(await welcomeOf(socket)).toMatchObject({ userId: "alice" });
  });

  it.each([
    "https://evil.example",
    "null",
    "https://app.example.evil.example",
    "http://app.example",
    "https://app.example:8443",
    "file://",
    "not an origin",
  ])("is refused with 403, whoever the token names: %s", async (origin) => {
    const refused = await refusedSocket(house.url, { origin, headers: bearer(await token()) });
    expect(refused.status).toBe(403);
    expect(refused.body.error.code).toBe("forbidden");
  });

  it("is refused before a ticket is consumed", async () => {
    const { body } = await house.call("POST", "/v1/tickets", { as: await token("alice") });
    const path = `/v1/ws?ticket=${body.ticket}`;
    expect((await refusedSocket(house.url, { path, origin: "https://evil.example" })).status).toBe(403);
    const socket = await openSocket(house.url, { path });
    await socket.close();
  });
});

describe("a WebSocket's first frame", () => {
  it("is not lost when it comes in one packet with the upgrade", async () => {
    const given = await token("alice");
    const text = Buffer.from(JSON.stringify({ type: "hello", token: given }));
    const mask = Buffer.from([1, 2, 3, 4]);
    const masked = text.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
    const header = Buffer.from([0x81, 0x80 | 126, text.length >> 8, text.length & 0xff]);
    const request = [
      "GET /v1/ws HTTP/1.1",
      `Host: 127.0.0.1:${house.port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Protocol: runcast.v1",
      `Authorization: Bearer ${given}`,
      "\r\n",
    ].join("\r\n");
    const socket = connect(house.port, "127.0.0.1");
    const heard = await new Promise<string>((resolve, reject) => {
      let all = "";
      socket.on("error", reject);
      socket.on("data", (chunk) => {
        all += chunk.toString("latin1");
        if (all.includes('"welcome"')) resolve(all);
      });
      socket.on("close", () => reject(new Error(`closed before the welcome: ${all}`)));
      socket.write(Buffer.concat([Buffer.from(request), header, mask, masked]));
    });
    socket.destroy();
    expect(heard).toContain("101 Switching Protocols");
  });

  it("closes 4408 when it does not come", async () => {
    const socket = await openSocket(house.url, { headers: bearer(await token()) });
    expect(await socket.ended).toMatchObject({ code: 4408 });
  });

  it.each([
    ["no JSON", "nonsense"],
    ["an unknown type", { type: "subscribe" }],
    ["a field too many", { type: "hello", userId: "bob" }],
    ["a malformed cursor", { type: "hello", cursor: { epoch: "e", offset: -1 } }],
    ["an ack before hello", { type: "ack", offset: 0 }],
    ["a prototype", '{"type":"hello","__proto__":{"from":"now"}}'],
    ["nested too deeply", `{"type":"command","ref":1,"name":"x","data":${'{"a":'.repeat(40)}1${"}".repeat(40)}}`],
    ["bytes", Buffer.from(JSON.stringify({ type: "hello" }))],
  ])("closes 4400 when it is %s", async (_, frame) => {
    const socket = await openSocket(house.url, { headers: bearer(await token()) });
    socket.send(frame);
    expect(await socket.ended).toMatchObject({ code: 4400 });
  });

  it("closes 4400 when it comes twice", async () => {
    const socket = await hello(house.url, await token());
    await socket.nextOf("welcome");
    socket.send({ type: "hello" });
    expect(await socket.ended).toMatchObject({ code: 4400 });
  });
});

describe("a WebSocket's limits", () => {
  it("closes 1009 over 64 KiB", async () => {
    const socket = await hello(house.url, await token());
    await socket.nextOf("welcome");
    socket.send({ type: "command", ref: 1, name: "x", data: { text: "x".repeat(65_536) } });
    expect(await socket.ended).toMatchObject({ code: 1009 });
  });

  it("lets 100 frames a second pass and closes 4429 beyond", async () => {
    const socket = await hello(house.url, await token());
    await socket.nextOf("welcome");
    for (let ref = 1; ref < 100; ref += 1) socket.send({ type: "ping", ref });
    for (let ref = 1; ref < 100; ref += 1) expect(await socket.nextOf("pong")).toMatchObject({ ref });
    for (let ref = 0; ref < 150; ref += 1) socket.send({ type: "ping", ref });
    expect(await socket.ended).toMatchObject({ code: 4429, reason: "too many frames" });
  });

  it("answers pings of the WebSocket itself, and counts them", async () => {
    const socket = await hello(house.url, await token());
    await socket.nextOf("welcome");
    socket.raw.ping("echo");
    expect(await new Promise((resolve) => socket.raw.once("pong", (data) => resolve(data.toString("utf8"))))).toBe(
      "echo",
    );
    for (let count = 0; count < 150; count += 1) socket.raw.ping();
    expect(await socket.ended).toMatchObject({ code: 4429 });
  });

  it("frees the runtime's connection when the client goes away", async () => {
    const socket = await hello(house.url, await token());
    await socket.nextOf("welcome");
    const open = house.runtime.stats().connections;
    await socket.close();
    await expect.poll(() => house.runtime.stats().connections).toBe(open - 1);
  });

  it("frees the runtime's connection when the line is cut", async () => {
    const socket = await hello(house.url, await token());
    await socket.nextOf("welcome");
    const open = house.runtime.stats().connections;
    socket.raw.terminate();
    await expect.poll(() => house.runtime.stats().connections).toBe(open - 1);
  });

  it("bounds those who have not said who they are, per address, and no user", async () => {
    const small = await openHouse({ gateway: { pendingLimits: { maxPerAddress: 2, maxCount: 10 } } });
    const user = await hello(small.url, await token());
    await user.nextOf("welcome");
    const strangers = [await openSocket(small.url), await openSocket(small.url)];
    const refused = await refusedSocket(small.url);
    expect(refused.status).toBe(429);
    expect(refused.headers["retry-after"]).toBe("1");
    strangers[0]?.send({ type: "hello", token: await token("bob") });
    await strangers[0]?.nextOf("welcome");
    const next = await openSocket(small.url);
    for (const socket of [user, next, ...strangers]) await socket.close();
    await small.close();
  });
});

describe("an upgrade", () => {
  it("of another path is 404", async () => {
    for (const path of ["/", "/v1/other", "/v1/aisdk", "/v1/ws/"]) {
      const refused = await refusedSocket(house.url, { path });
      expect([path, refused.status, refused.body.error.code]).toEqual([path, 404, "not_found"]);
    }
  });

  it("without an upgrade is 426", async () => {
    const answer = await house.call("GET", "/v1/ws");
    expect(answer.status).toBe(426);
    expect(answer.body.error.code).toBe("upgrade_required");
  });

  it("to HTTP/2 is answered as if it had not been offered", async () => {
    const socket = connect(house.port, "127.0.0.1");
    const heard = await new Promise<string>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("data", (chunk) => resolve(String(chunk)));
      socket.write(
        "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n",
      );
    });
    socket.destroy();
    expect(heard).toMatch(/^HTTP\/1\.1 200/);
  });

  it("with a malformed key is 400 and leaves nothing behind", async () => {
    const before = house.runtime.stats().connections;
    const socket = connect(house.port, "127.0.0.1");
    const heard = await new Promise<string>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("data", (chunk) => resolve(String(chunk)));
      socket.write(
        "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\nSec-WebSocket-Protocol: runcast.v1\r\n\r\n",
      );
    });
    expect(heard).toMatch(/^HTTP\/1\.1 400/);
    await expect.poll(() => house.runtime.stats().connections).toBe(before);
  });
});

describe("delivery over a WebSocket", () => {
  it("brings a run to all tabs of its user, in order, and to nobody else", async () => {
    const [first, second, other] = await Promise.all([
      hello(house.url, await token("dora"), { from: "start" }),
      hello(house.url, await token("dora"), { from: "start" }),
      hello(house.url, await token("eve"), { from: "start" }),
    ]);
    for (const socket of [first, second, other]) await socket.nextOf("welcome");
    const run = await house.startRun({ userId: "dora" });
    const said = Array.from({ length: 40 }, (_, index) => ({
      type: "agent_delta",
      data: { messageId: "m", channel: "text", text: `${index}.` },
    }));
    for (let at = 0; at < said.length; at += 5) {
      const { status } = await house.call("POST", `/v1/runs/${run.runId}/events`, {
        as: keys.both,
        body: { fence: run.fence, events: said.slice(at, at + 5) },
      });
      expect(status).toBe(200);
    }
    for (const socket of [first, second]) {
      let after = 0;
      let text = "";
      while (after < 41) {
        const frame = await socket.nextOf("events");
        expect(frame.after).toBe(after);
        after = frame.upto;
        for (const event of frame.events) if (event.type === "agent_delta") text += event.data.text;
      }
      expect(text).toBe(said.map(({ data }) => data.text).join(""));
    }
    expect(other.frames.filter(({ type }) => type === "events")).toEqual([]);
    for (const socket of [first, second, other]) await socket.close();
  });

  it("carries frames of every length class", async () => {
    const socket = await hello(house.url, await token("fay"), { from: "start" });
    await socket.nextOf("welcome");
    const run = await house.startRun({ userId: "fay" });
    await socket.nextOf("events");
    for (const length of [1, 60_000, 70_000, 300_000]) {
      const text = "é".repeat(length / 2) + "x";
      const { status } = await house.call("POST", `/v1/runs/${run.runId}/events`, {
        as: keys.both,
        body: { fence: run.fence, events: [{ type: "agent_delta", data: { messageId: "m", channel: "text", text } }] },
      });
      expect(status).toBe(200);
      const { events } = await socket.nextOf("events");
      expect(events[0]?.data).toMatchObject({ text });
    }
    await socket.close();
  });

  it("parks a tab that does not read, and loses nothing of it", async () => {
    const socket = await hello(house.url, await token("gus"), { from: "start" });
    await socket.nextOf("welcome");
    const run = await house.startRun({ userId: "gus" });
    socket.raw.pause();
    const text = "x".repeat(50_000);
    for (let round = 0; round < 60; round += 1) {
      const { status } = await house.call("POST", `/v1/runs/${run.runId}/events`, {
        as: keys.both,
        body: {
          fence: run.fence,
          events: [{ type: "agent_delta", data: { messageId: `m${round}`, channel: "text", text } }],
        },
      });
      expect(status).toBe(200);
    }
    socket.raw.resume();
    let upto = 0;
    while (upto < 61) {
      const frame = await socket.nextOf("events");
      expect(frame.after).toBe(upto);
      upto = frame.upto;
      socket.send({ type: "ack", offset: upto });
    }
    await socket.close();
  });
});

describe("a server that is going", () => {
  it("says goodbye, closes 1012, and takes no upgrade", async () => {
    const going = await openHouse();
    const socket = await hello(going.url, await token());
    await socket.nextOf("welcome");
    const drained = going.close();
    expect(await socket.nextOf("goodbye")).toMatchObject({ reason: "restart" });
    expect(await socket.ended).toMatchObject({ code: 1012 });
    await drained;
  });

  it("answers 503 with Retry-After while it starts", async () => {
    const coming = await openHouse({ isStarted: false });
    const refused = await refusedSocket(coming.url, { headers: bearer(await token()) });
    expect(refused.status).toBe(503);
    expect(refused.headers["retry-after"]).toBe("1");
    expect(refused.body.error.code).toBe("not_accepting");
    const ready = await coming.call("GET", "/readyz");
    expect([ready.status, ready.body.status]).toEqual([503, "starting"]);
    await coming.start();
    expect((await coming.call("GET", "/readyz")).status).toBe(200);
    await coming.close();
  });
});
