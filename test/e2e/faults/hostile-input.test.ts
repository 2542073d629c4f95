import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { connect } from "node:net";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hello, openSocket } from "../../gateway/support/socket.ts";
import { BlackBox, refused } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";
import { maskedText } from "../../support/raw-websocket.ts";
import { SseStream } from "../../support/sse-stream.ts";
import { onUserSignal } from "../../support/server-preload.ts";

/** Says what has become of the prototypes of all. */
const tellPrototypes = `process.stderr.write("prototype " + JSON.stringify([Object.keys(Object.prototype), Object.keys(Array.prototype), {}.admin ?? null]) + "\\n")`;
const maxLineBytes = 2_048;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

let box: BlackBox;
let alice: string;
beforeAll(async () => {
  box = await BlackBox.start({ env: { RUNCAST_LOG_LEVEL: "debug", NODE_OPTIONS: onUserSignal(tellPrototypes) } });
  alice = await userToken("alice");
});
afterAll(() => box[Symbol.asyncDispose]());

interface Raw {
  readonly socket: Socket;
  readonly said: () => string;
  readonly closed: Promise<unknown>;
}

function dial(): Raw {
  const { hostname, port } = new URL(box.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  let said = "";
  socket.on("data", (bytes: Buffer) => {
    said += bytes.toString("latin1");
  });
  return { socket, said: () => said, closed: once(socket, "close") };
}

const upgrade = (more: readonly string[] = [], protocols = "runcast.v1"): string =>
  [
    "GET /v1/ws HTTP/1.1",
    `Host: ${new URL(box.url).host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${Buffer.alloc(16, 1).toString("base64")}`,
    `Sec-WebSocket-Protocol: ${protocols}`,
    ...more,
    "",
    "",
  ].join("\r\n");

const isAlive = async (): Promise<void> => expect((await box.call("GET /readyz")).status).toBe(200);

describe("JSON of strangers (FAULTS 26, 27)", () => {
  it.each<[string, string, number]>([
    ["10^6 levels", "[".repeat(500_000) + "]".repeat(500_000), 400],
    ["2·10^5 keys", `{${Array.from({ length: 80_000 }, (_, at) => `"${at}":0`).join(",")}}`, 400],
    [
      "a prototype under an escape",
      '{"userId":"u","agent":"a","input":{"\\u005f\\u005fproto\\u005f\\u005f":{"admin":true}}}',
      400,
    ],
    [
      "a constructor's prototype, deep",
      '{"userId":"u","agent":"a","input":[[{"constructor":{"prototype":{"admin":true}}}]]}',
      400,
    ],
    [
      "a key of the prototype that is no danger",
      '{"userId":"u","agent":"a","input":{"toString":1,"constructor":"x","hasOwnProperty":null}}',
      201,
    ],
    ["an identity that comes twice", '{"userId":"mallory","userId":"alice","agent":"a"}', 201],
  ])("cost a small answer, and change nothing of anybody: %s", async (_, body, status) => {
    const answer = await box.publish("runs", body);
    expect(answer.status, answer.text.slice(0, 200)).toBe(status);
    if (status >= 400) refused(answer);
    const socket = await openSocket(box.url, { headers: { authorization: `Bearer ${alice}` } });
    socket.send(
      `{"type":"hello","device":${body.length > 60_000 ? '"d","__proto__":{"admin":true}' : '"d"'},"want":{"types":[{"constructor":{"prototype":{}}}]}}`,
    );
    expect((await socket.ended).code).toBe(4400);
    await isAlive();
  });

  it("is last-wins for a field that comes twice, and one owner everywhere", async () => {
    const made = await box.publish("runs", '{"userId":"mallory","userId":"dora","agent":"a","runId":"twice"}');
    expect(made.status).toBe(201);
    expect((await box.call("GET /v1/runs/twice", { as: await userToken("mallory") })).status).toBe(404);
    expect((await box.call("GET /v1/runs/twice", { as: await userToken("dora") })).status).toBe(200);
  });

  it("leaves the prototypes of all as they were", async () => {
    box.server.signal("SIGUSR2");
    await expect.poll(() => box.server.stderr).toContain("prototype [[],[],null]");
  });
});

describe(`text of strangers (FAULTS 28, SEED=${seed})`, () => {
  it("is the same on the socket, in SSE and in every list, also after a restart", async () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 12 }),
      fc.constantFrom(
        "\u0000",
        "a\u0000b",
        "\ud800",
        "\udc00\ud800",
        "\ud83d",
        "\ude00",
        "\u2028\u2029",
        "\ufeff",
        "e\u0301",
        "\u00e9",
        "\u{10ffff}",
        '"\\',
        "\u007f\u009b",
      ),
    );
    const texts = fc.sample(text, { numRuns: 120, seed });
    const userId = "zoë \u{1f600}";
    const token = await userToken(userId);
    const tab = await hello(box.url, token, { from: "start", mergeDeltas: false });
    const stream = await SseStream.open(box.url, token, "?from=start");
    const run = await box.start({ userId, input: texts });
    const data = texts.map((each) => ({ text: each, [`k${each}`]: [each] }));
    const said = await box.say(
      run,
      data.map((each) => ({ type: "x.text", data: each })),
    );
    expect(said.status, said.text).toBe(200);
    expect((await box.publish("notices", { userId, type: "x.last", data: { texts } })).status).toBe(200);
    const expected = JSON.stringify([{ agent: "tester", input: texts }, ...data, { texts }]);
    const parts = (events: readonly { readonly data: unknown }[]): string =>
      JSON.stringify(events.map((event) => event.data));

    await stream.until(() => stream.events.some(({ type }) => type === "x.last"));
    const live = () => tab.frames.flatMap((frame) => (frame.type === "events" ? frame.events : []));
    await expect.poll(() => live().some(({ type }) => type === "x.last")).toBe(true);
    expect(parts(live())).toBe(expected);
    expect(parts(stream.events)).toBe(expected);
    stream.close();
    await tab.close();
    for (const time of ["before", "after"]) {
      const list = await box.call("GET /v1/events?limit=1000", { as: token });
      expect(parts(list.body.events), time).toBe(expected);
      expect(parts([...(await box.eventsOf(run)).slice(0, 100)])).toBe(parts(list.body.events.slice(0, 100)));
      if (time === "before") {
        await box.server.kill9();
        await box.server.restart();
      }
    }
  });

  it.each(["\u0000", "\ud800", "a\nb", "\u009b"])("is refused where it names something: %j", async (name) => {
    for (const body of [{ userId: name }, { threadId: name }, { agent: name }, { tenantId: name }])
      expect(refused(await box.publish("runs", { userId: "u", agent: "a", ...body }))).toMatchObject({ status: 400 });
    const run = await box.start();
    for (const event of [
      { type: "x.a", data: {}, key: name },
      { type: "agent_delta", data: { messageId: name, channel: "text", text: "" } },
    ])
      expect(refused(await box.say(run, [event]))).toMatchObject({ status: 400, code: "invalid_event" });
  });
});

describe("who has not said who they are (FAULTS 30, 31)", () => {
  it("is closed after five seconds of silence behind the upgrade, and nothing is kept of what it pushes", async () => {
    const silent = dial();
    silent.socket.write(upgrade());
    const startMs = performance.now();
    const rssMb = (): number =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${box.server.pid}/status`, "utf8"))?.[1]) / 1_024;
    const beforeMb = rssMb();
    // 8 sockets that push 8 MB each and never say hello.
    const pushers = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const pusher = dial();
        pusher.socket.write(upgrade());
        await once(pusher.socket, "data");
        const chunk = Buffer.alloc(65_536, 0x20);
        for (let sent = 0; sent < 128 && !pusher.socket.destroyed; sent += 1) pusher.socket.write(chunk);
        return pusher;
      }),
    );
    await Promise.all(pushers.map(({ closed }) => closed));
    expect(rssMb() - beforeMb).toBeLessThan(64);
    // 4408 as a close frame; who does not answer it has five seconds more before the socket is taken from them.
    await expect.poll(() => silent.said().includes("\u0088"), { timeout: 9_000 }).toBe(true);
    expect(performance.now() - startMs).toBeLessThan(8_000);
    await silent.closed;
    expect(performance.now() - startMs).toBeLessThan(14_000);
    expect(silent.said()).toContain("HTTP/1.1 101");
    await isAlive();
  });

  it("may bring one frame's worth before the welcome, and no more", async () => {
    const socket = await openSocket(box.url, { headers: { authorization: `Bearer ${alice}` } });
    const filler = { type: "command", ref: 1, name: "send_message", data: { text: "x".repeat(30_000) } };
    socket.raw.on("error", () => {});
    for (const frame of [{ type: "hello" }, filler, filler, filler]) socket.send(frame);
    const { code } = await socket.ended;
    expect(code).toBe(4400);
  });

  it("is honoured when upgrade, hello and a first command come in one packet", async () => {
    for (let time = 0; time < 20; time += 1) {
      const line = dial();
      const frames = [maskedText('{"type":"hello","from":"now"}'), maskedText('{"type":"ping","ref":7}')];
      line.socket.write(Buffer.concat([Buffer.from(upgrade([`Authorization: Bearer ${alice}`])), ...frames]));
      await expect.poll(line.said, { interval: 5 }).toMatch(/"type":"welcome".*"type":"pong","ref":7/s);
      line.socket.destroy();
    }
  });
});

describe("headers of strangers (FAULTS 64)", () => {
  it.each<[string, () => string]>([
    ["named __proto__", () => "GET /v1/events HTTP/1.1\r\nHost: x\r\n__proto__: admin\r\nconstructor: x\r\n\r\n"],
    ["named __proto__, at the upgrade", () => upgrade(["__proto__: admin", "__proto__: twice"])],
    ["two thousand, at the upgrade", () => upgrade(Array.from({ length: 2_000 }, (_, at) => `x-${at}: 1`))],
    ["two thousand protocols", () => upgrade([], Array.from({ length: 2_000 }, (_, at) => `p${at}`).join(","))],
    ["a line end in the protocol", () => upgrade([], "runcast.v1\r\nx-injected: 1")],
    ["a lone line feed in the protocol", () => upgrade([], "runcast.v1\nx-injected: 1")],
    [
      "a body in two lengths",
      () => "POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}{}{}",
    ],
    [
      "a length beside chunks",
      () => "POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
  ])("end one socket at most: %s", async (_, text) => {
    const line = dial();
    line.socket.write(text());
    await expect.poll(line.said).toMatch(/^HTTP\/1\.1 \d{3}/);
    expect(line.said()).not.toMatch(/^x-injected|admin/im);
    line.socket.destroy();
    await isAlive();
  });
});

describe("fields of strangers (FAULTS 27, 41)", () => {
  it("stay one line of JSON in the log, of 2 KB at most", async () => {
    const nasty = `a%0Ab%0D%0A{"level":"error"}%1B[31m%C2%9B`;
    for (const path of [
      `GET /v1/runs/${nasty}`,
      `GET /v1/${nasty}`,
      `GET /v1/events?after=${nasty}`,
      `DELETE /v1/runs/${"x".repeat(8_000)}`,
    ])
      await box.call(path, { as: apiKeys.both, headers: { "user-agent": "%s%s\u001b".slice(0, 4), referer: nasty } });
    const lines = box.server.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("prototype"));
    expect(lines.length).toBeGreaterThan(30);
    for (const line of lines) {
      expect(JSON.parse(line)).toMatchObject({
        time: expect.any(String),
        level: expect.any(String),
        what: expect.any(String),
      });
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(maxLineBytes);
    }
  });
});
