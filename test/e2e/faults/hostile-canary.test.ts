import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hello, openSocket, refusedSocket } from "../../gateway/support/socket.ts";
import { BlackBox, thinking } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";
import { onUserSignal } from "../../support/server-preload.ts";

/** Each kind of secret has a word of its own: what leaks names itself. */
const word = (kind: string): string => `CANARY-${kind}-c4n4ry`;
const crash = `setImmediate(() => { throw Object.assign(new Error(${JSON.stringify(word("crash"))}), { payload: ${JSON.stringify(word("crash"))} }); })`;

let box: BlackBox;
/** What the server said to others than the one who had sent it. */
let elsewhere = "";

beforeAll(async () => {
  box = await BlackBox.start({ env: { RUNCAST_LOG_LEVEL: "debug", NODE_OPTIONS: onUserSignal(crash) } });
});
afterAll(() => box[Symbol.asyncDispose]());

async function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(box.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  let said = "";
  socket.on("data", (bytes: Buffer) => {
    said += bytes.toString("latin1");
  });
  socket.end(text);
  await once(socket, "close");
  return said;
}

describe("a canary (FAULTS 35, I19)", () => {
  it("in payloads, names, tokens, headers and broken requests reaches no log, no metric and no reason", async () => {
    const alice = await userToken(`alice ${word("user")}`, { jti: word("session"), note: word("claim") });
    const userId = `alice ${word("user")}`;
    const stale = await userToken(word("stale"), { exp: 1 });
    const run = await box.start({
      ...{ userId, agent: word("agent"), threadId: word("thread"), onIllegal: "quarantine" },
      input: { text: word("input") },
    });
    const payload = { thought: word("payload"), [word("key")]: [word("payload")] };
    const events = [
      { type: "agent_thinking", data: payload, key: word("event-key") },
      { type: "tool_executing", data: { toolCallId: "c", toolName: word("tool"), args: payload } },
      { type: "tool_completed", data: { toolCallId: "none", status: "ok", result: payload } },
      {
        type: "agent_suspended",
        data: { reason: word("reason"), approvals: [{ approvalId: "p", prompt: word("prompt") }] },
      },
    ];
    expect((await box.say(run, events)).status).toBe(200);
    // Refusals of every kind, each with something that must not be kept.
    const refusedCalls = [
      box.say(run, [{ type: "x.a", data: { userId: word("foreign") } }]),
      box.say(run, [{ ...thinking, key: word("event-key") }]),
      box.say(run, [{ type: word("type"), data: {} }]),
      box.say({ ...run, fence: -1 }, [{ type: "x.a", data: { text: word("fenced") } }]),
      box.publish("runs", `{"userId":"${word("broken")}`),
      box.publish("runs", { userId, agent: "a", [word("field")]: word("value") }),
      box.publish("notices", { userId, type: "x.a", data: { recipientId: word("foreign") } }),
      box.call(`GET /v1/runs/${word("path")}`, { as: alice }),
      box.call(`GET /v1/${word("route")}?q=${word("query")}`, { as: alice }),
      box.call(`GET /v1/events?token=${word("url-token")}`),
      box.call("GET /v1/events", { as: stale }),
      box.call("GET /v1/events", { as: word("api-key") }),
      box.call("GET /v1/stream?ticket=" + word("ticket")),
      box.call("GET /v1/runs", { as: alice, headers: { origin: `https://${word("origin").toLowerCase()}.example` } }),
      box.call("POST /v1/approvals/p", { as: alice, body: { decision: word("decision") } }),
      box.call("GET /v1/stream", { as: alice, headers: { "last-event-id": word("last-event") } }),
      box.call("GET /v1/runs", { as: apiKeys.both, headers: { "x-runcast-tenant": `${word("tenant")}\u00ff` } }),
    ];
    for (const answer of await Promise.all(refusedCalls)) expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(
      (await box.call("POST /v1/approvals/p", { as: alice, body: { decision: "approve", data: payload } })).status,
    ).toBe(200);
    await box.say(run, [
      { type: "agent_resumed", data: payload },
      { type: "agent_failed", data: { error: { code: word("code"), message: word("message") } } },
    ]);
    expect((await box.say(run, [{ type: "x.late", data: payload }])).status).toBe(410);

    await raw(`GET /v1/events HTTP/1.1\r\nHost: x\r\n${word("header")}\r\n\r\n`);
    await raw(`${word("method")} /${word("path")} HTTP/9.9\r\n\r\n`);
    await raw(
      `POST /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${apiKeys.both}\r\nContent-Length: 900\r\n\r\n{"userId":"${word("cut")}"`,
    );
    await refusedSocket(box.url, { protocols: ["runcast.v1", `bearer.${word("subprotocol")}`] });
    await refusedSocket(box.url, { path: `/v1/ws?ticket=${word("ticket")}` });
    await refusedSocket(box.url, {
      headers: { authorization: `Basic ${word("basic")}`, cookie: `a=${word("cookie")}` },
    });
    const broken: (string | Buffer)[] = [
      `{"type":"hello","token":"${word("hello-token")}"}`,
      `{"type":"${word("frame")}"`,
      JSON.stringify({ type: "hello", device: word("device"), cursor: { epoch: word("epoch"), offset: "x" } }),
      Buffer.from(word("binary")),
      word("x").repeat(6_000),
    ];
    for (const frame of broken) {
      const socket = await openSocket(box.url, {});
      socket.send(frame);
      const { reason } = await socket.ended;
      elsewhere += reason;
    }
    const tab = await hello(box.url, alice, { device: word("device"), from: "start" });
    await tab.nextOf("events");
    tab.send({ type: "command", ref: word("ref"), name: "send_message", data: { text: word("said") } });
    tab.send({ type: "command", ref: 1, name: "cancel_run", runId: run.runId, data: { reason: word("cancel") } });
    await tab.nextOf("reply");
    tab.send({ type: "auth", token: word("auth-token") });
    elsewhere += (await tab.ended).reason;

    elsewhere += (await box.call("GET /metrics")).text;
    const { body } = await box.call("GET /v1/deadletters", { as: apiKeys.admin });
    expect(body.entries.length).toBeGreaterThanOrEqual(2);
    elsewhere += JSON.stringify(body.entries.map(({ reason }: { reason: string }) => reason));
    elsewhere += JSON.stringify((await box.call("GET /v1/breakers", { as: apiKeys.admin })).body);

    // A drain says goodbye; a crash tells where it stood.
    box.server.signal("SIGUSR2");
    expect(await box.server.ended()).toEqual({ code: 1, signal: null });
    const { stdout, stderr } = box.server;
    expect(stderr.split("\n").length).toBeGreaterThan(20);
    expect(stderr).toContain("process.uncaught");
    for (const text of [stdout, stderr, elsewhere]) expect(text.match(/CANARY-[\w-]+-c4n4ry/i)?.[0]).toBeUndefined();
    for (const secret of [alice, stale, apiKeys.both, apiKeys.admin])
      expect(stdout + stderr + elsewhere).not.toContain(secret);
  });
});
