import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventsFrame, ServerFrame } from "../../../protocol/frames.ts";
import { hello, openSocket, refusedSocket, type TestSocket } from "../../gateway/support/socket.ts";
import { BlackBox, done, isoTime, type Started, thinking } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";
import { eventually } from "../../support/eventually.ts";
import { connectMany } from "../../support/connect-many.ts";

let box: BlackBox;
/** Asks for a confirmation of every welcome. */
let strict: BlackBox;
/** Their seconds of waiting pass while the other tests run. */
let waiting: Promise<readonly [TestSocket, TestSocket, TestSocket]>;

beforeAll(async () => {
  [box, strict] = await Promise.all([
    BlackBox.start({ env: { RUNCAST_ALLOWED_ORIGINS: "https://app.example" } }),
    BlackBox.start({ env: { RUNCAST_CONFIRM_AUTH: "1" } }),
  ]);
  waiting = beginWaiting(await userToken("zoe"));
});
afterAll(async () => {
  await box[Symbol.asyncDispose]();
  await strict[Symbol.asyncDispose]();
});

/** One that says no hello, one that does not confirm, one that does both. */
async function beginWaiting(token: string): Promise<readonly [TestSocket, TestSocket, TestSocket]> {
  const silent = await openSocket(box.url, bearer(token));
  const unconfirmed = await hello(strict.url, token);
  const confirmed = await hello(strict.url, token);
  confirmed.send({ type: "confirm" });
  return [silent, unconfirmed, confirmed];
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
/** The default of a connection's window. */
const windowEvents = 1_024;
/** Of a user without a tier. */
const maxConnections = 1_000;
const maxFrameBytes = 65_536;
const maxFramesPerSecond = 100;

/** A run of this user with so many events after its start. */
async function runOf(userId: string, events: number): Promise<Started> {
  const run = await box.start({ userId });
  if (events > 0)
    await box.say(
      run,
      Array.from({ length: events }, () => thinking),
    );
  return run;
}

/** Reads `events` frames until this offset; fails when a range does not begin where the last one ended. */
async function readTo(socket: TestSocket, after: number, upto: number): Promise<EventsFrame["events"]> {
  const events: EventsFrame["events"][number][] = [];
  for (let at = after; at < upto; ) {
    const frame = await socket.nextOf("events");
    expect(frame.after).toBe(at);
    at = frame.upto;
    events.push(...frame.events);
  }
  return events;
}

describe("who you are on a socket", () => {
  it.each<[string, (token: string) => Promise<TestSocket>]>([
    ["in the header", (token) => openSocket(box.url, bearer(token))],
    ["in a subprotocol", (token) => openSocket(box.url, { protocols: ["runcast.v1", `bearer.${token}`] })],
    ["in a subprotocol before ours", (token) => openSocket(box.url, { protocols: [`bearer.${token}`, "runcast.v1"] })],
    [
      "by a ticket",
      async (token) => {
        const { ticket } = (await box.call("POST /v1/tickets", { as: token, body: {} })).body;
        const socket = await openSocket(box.url, { path: `/v1/ws?ticket=${ticket}` });
        expect((await refusedSocket(box.url, { path: `/v1/ws?ticket=${ticket}` })).status).toBe(401);
        return socket;
      },
    ],
    ["in hello", (token) => openSocket(box.url).then((socket) => Object.assign(socket, { given: token }))],
  ])("is said %s", async (way, open) => {
    const token = await userToken("ana", { tid: "default" });
    const socket = await open(token);
    expect(socket.raw.protocol).toBe("runcast.v1");
    socket.send({ type: "hello", ...(way === "in hello" && { token }) });
    const welcome = await socket.nextOf("welcome");
    expect(welcome).toEqual({
      type: "welcome",
      connectionId: expect.any(String),
      userId: "ana",
      epoch: expect.any(String),
      head: 0,
      resumed: "snapshot",
      heartbeatMs: expect.any(Number),
      windowEvents,
      expiresAt: expect.stringMatching(isoTime),
    });
    expect(await socket.close()).toMatchObject({ code: 1005 });
  });

  it.each<[string, number, () => Promise<object>]>([
    ["a bad token", 401, async () => bearer("a.b.c")],
    ["an API key", 401, async () => bearer(apiKeys.both)],
    ["a token in the URL", 401, async () => ({ path: `/v1/ws?token=${await userToken("ana")}` })],
    ["an unknown ticket", 401, async () => ({ path: "/v1/ws?ticket=none" })],
    ["no subprotocol of ours", 426, async () => ({ protocols: ["graphql-ws"] })],
    ["a foreign origin", 403, async () => ({ origin: "https://evil.example", ...bearer(await userToken("ana")) })],
    ["a path that comes later", 404, async () => ({ path: "/v1/aisdk" })],
  ])("is refused before the upgrade: %s", async (_, status, options) => {
    const answer = await refusedSocket(box.url, await options());
    expect([answer.status, Object.keys(answer.body)]).toEqual([status, ["error"]]);
  });

  it("lets pages of our own and of an allowed origin in", async () => {
    for (const origin of [box.url, "https://app.example"]) {
      const socket = await openSocket(box.url, { origin });
      expect((await socket.close()).code).toBe(1005);
    }
  });

  it.each<[string, number, () => Promise<object>]>([
    ["no token at all", 4401, async () => ({})],
    ["a bad token", 4401, async () => ({ token: "a.b.c" })],
    ["an expired token", 4401, async () => ({ token: await userToken("ana", { exp: 1 }) })],
    ["a token without an end", 4401, async () => ({ token: await userToken("ana", { exp: undefined }) })],
  ])("closes after a hello with %s: %i", async (_, code, fields) => {
    const socket = await openSocket(box.url);
    socket.send({ type: "hello", ...(await fields()) });
    expect((await socket.ended).code).toBe(code);
  });

  it("closes 4403 when hello or auth names somebody else than the connection's user", async () => {
    const before = await openSocket(box.url, bearer(await userToken("ana")));
    before.send({ type: "hello", token: await userToken("ben") });
    expect((await before.ended).code).toBe(4403);
    const later = await hello(box.url, await userToken("ana"));
    await later.nextOf("welcome");
    later.send({ type: "auth", token: await userToken("ana", { tid: "acme" }) });
    expect((await later.ended).code).toBe(4403);
  });

  it("ends with the token, closes 4401, and lasts when a new token comes in time", async () => {
    const soon = () => Math.ceil(Date.now() / 1_000) + 1;
    const [ends, lasts] = await Promise.all(
      ["ana", "ana"].map(async (user) => hello(box.url, await userToken(user, { exp: soon() }))),
    );
    if (ends === undefined || lasts === undefined) throw new Error("unreachable");
    expect((await ends.nextOf("auth_expiring")).inMs).toBeLessThanOrEqual(2_000);
    lasts.send({ type: "auth", token: await userToken("ana") });
    await eventually(() =>
      expect(lasts.authStates).toEqual(["auth_completed", "auth_started", "auth_validating", "auth_completed"]),
    );
    expect((await ends.ended).code).toBe(4401);
    expect(ends.authStates).toEqual(["auth_completed", "auth_failed"]);
    lasts.send({ type: "ping", ref: "still here" });
    expect(await lasts.nextOf("pong")).toEqual({ type: "pong", ref: "still here" });
    await lasts.close();
  });
});

describe("what a socket may say", () => {
  it.each<[string, unknown, number]>([
    ["no JSON", "hello", 4400],
    ["a list", "[]", 4400],
    ["an unknown frame", { type: "subscribe" }, 4400],
    ["a second hello", { type: "hello" }, 4400],
    ["a field too many", { type: "ping", userId: "bob" }, 4400],
    ["a negative ack", { type: "ack", offset: -1 }, 4400],
    ["an ack that is no number", { type: "ack", offset: "1" }, 4400],
    ["a prototype", '{"type":"command","ref":1,"name":"x","data":{"__proto__":{}}}', 4400],
    ["bytes", Buffer.from('{"type":"ping"}'), 4400],
    ["34 levels", `{"type":"command","ref":1,"name":"x","data":${'{"a":'.repeat(33)}1${"}".repeat(34)}`, 4400],
    ["more than 64 KiB", { type: "command", ref: 1, name: "x", data: { text: "x".repeat(maxFrameBytes) } }, 1009],
  ])("closes after %s: %#", async (_, frame, code) => {
    const socket = await hello(box.url, await userToken("fay"));
    await socket.nextOf("welcome");
    socket.send(frame);
    const { code: heard, reason } = await socket.ended;
    expect([heard, Buffer.byteLength(reason) <= 123]).toEqual([code, true]);
  });

  it.each<[string, unknown]>([
    ["an ack", { type: "ack", offset: 0 }],
    ["a malformed cursor", { type: "hello", cursor: { epoch: "e" } }],
    ["a cursor that is text", { type: "hello", cursor: "e:1" }],
    ["an unknown start", { type: "hello", from: "yesterday" }],
    ["a device of 65 characters", { type: "hello", device: "d".repeat(65) }],
  ])("closes 4400 when the first frame is %s", async (_, frame) => {
    const socket = await openSocket(box.url, bearer(await userToken("fay")));
    socket.send(frame);
    expect((await socket.ended).code).toBe(4400);
  });

  it("closes 4429 after more than a hundred frames in a second", async () => {
    const socket = await hello(box.url, await userToken("fay"));
    await socket.nextOf("welcome");
    for (let ref = 0; ref < 2 * maxFramesPerSecond + 1; ref += 1) socket.send({ type: "ping", ref });
    expect((await socket.ended).code).toBe(4429);
  });

  it("answers commands by their ref, and does not close for an unknown one", async () => {
    const run = await runOf("gus", 0);
    const socket = await hello(box.url, await userToken("gus"));
    await socket.nextOf("welcome");
    const ask = async (command: object) => {
      socket.send({ type: "command", ref: "r", ...command });
      return socket.nextOf("reply");
    };
    expect(await ask({ name: "dance" })).toMatchObject({ ref: "r", ok: false, error: { code: "unknown_command" } });
    expect(await ask({ name: "cancel_run" })).toMatchObject({ ok: false, error: { code: "invalid" } });
    const missing = await ask({ name: "cancel_run", runId: "none" });
    expect(missing).toMatchObject({ ok: false, error: { code: "not_found" } });
    expect(await ask({ name: "cancel_run", runId: (await runOf("bob", 0)).runId })).toEqual(missing);
    expect(await ask({ name: "cancel_run", runId: run.runId, data: { reason: "enough" } })).toMatchObject({ ok: true });
    const events = socket.frames.flatMap((frame) => (frame.type === "events" ? frame.events : []));
    expect(events).toMatchObject([{ type: "cancel_requested", data: { reason: "enough" } }]);
    expect(await ask({ name: "resolve_approval", data: { approvalId: "none", decision: "deny" } })).toMatchObject({
      ok: false,
      error: { code: "not_found" },
    });
    await socket.close();
  });

  it("closes the oldest with 4409 when a user has more connections than allowed", async () => {
    const sockets = await connectMany(box.url, await userToken("many"), maxConnections + 2);
    expect(await sockets.closes(2)).toEqual([
      [0, 4409],
      [1, 4409],
    ]);
    await sockets.end();
  });
});

describe("where a stream begins", () => {
  /** The first frames, so many and no more: nothing but the pong comes after them. */
  const open = async (
    userId: string,
    fields: Record<string, unknown>,
    count: number,
  ): Promise<[TestSocket, ServerFrame[]]> => {
    const socket = await hello(box.url, await userToken(userId), fields);
    const frames: ServerFrame[] = [];
    while (frames.length < count) frames.push(await socket.next());
    socket.send({ type: "ping" });
    expect((await socket.next()).type).toBe("pong");
    return [socket, frames];
  };
  const summary = (frames: readonly ServerFrame[]) =>
    frames.map((frame) => {
      if (frame.type === "welcome") return [frame.type, frame.resumed, frame.head];
      if (frame.type === "events") return [frame.type, frame.after, frame.upto];
      if (frame.type === "gap") return [frame.type, frame.from, frame.upto, frame.reason];
      return frame.type === "snapshot" ? [frame.type, frame.at, frame.runs.length] : [frame.type];
    });

  it("is told by one clear answer for every cursor", async () => {
    const run = await runOf("ria", 3);
    const { epoch } = run;
    const cases: readonly (readonly [Record<string, unknown>, readonly (readonly unknown[])[]])[] = [
      [
        { from: "start" },
        [
          ["welcome", "fresh", 4],
          ["events", 0, 4],
        ],
      ],
      [{ from: "now" }, [["welcome", "fresh", 4]]],
      [
        {},
        [
          ["welcome", "snapshot", 4],
          ["snapshot", 4, 1],
        ],
      ],
      [
        { from: "active" },
        [
          ["welcome", "snapshot", 4],
          ["snapshot", 4, 1],
        ],
      ],
      [
        { cursor: { epoch, offset: 1 } },
        [
          ["welcome", "replayed", 4],
          ["events", 1, 4],
        ],
      ],
      [
        { cursor: { epoch, offset: 0 } },
        [
          ["welcome", "replayed", 4],
          ["events", 0, 4],
        ],
      ],
      [{ cursor: { epoch, offset: 4 } }, [["welcome", "replayed", 4]]],
      [
        { cursor: { epoch, offset: 5 } },
        [
          ["welcome", "gap", 4],
          ["gap", 1, 4, "ahead"],
          ["snapshot", 4, 1],
        ],
      ],
      [
        { cursor: { epoch: "other", offset: 2 } },
        [
          ["welcome", "gap", 4],
          ["gap", 1, 4, "epoch"],
          ["snapshot", 4, 1],
        ],
      ],
    ];
    for (const [fields, expected] of cases) {
      const [socket, frames] = await open("ria", fields, expected.length);
      expect([fields, summary(frames)]).toEqual([fields, expected]);
      await socket.close();
    }
    // And all go on from there, without a hole.
    const sockets = await Promise.all(
      [{ from: "now" }, {}, { cursor: { epoch, offset: 5 } }].map((fields, at) => open("ria", fields, at + 1)),
    );
    await box.say(run, [done]);
    for (const [socket] of sockets) {
      expect(await socket.nextOf("events")).toMatchObject({ after: 4, upto: 5, events: [{ type: "agent_completed" }] });
      await socket.close();
    }
  });

  it("shows nobody anything by somebody else's cursor", async () => {
    const { epoch } = await runOf("sue", 5);
    for (const offset of [0, 3, 6]) {
      const [socket, frames] = await open("tom", { cursor: { epoch, offset } }, offset === 0 ? 1 : 3);
      expect(frames.flatMap((frame) => (frame.type === "events" ? frame.events : []))).toEqual([]);
      expect(frames.flatMap((frame) => (frame.type === "snapshot" ? frame.runs : []))).toEqual([]);
      expect(frames[0]).toMatchObject({ head: 0 });
      expect(JSON.stringify(frames)).not.toContain("sue");
      await socket.close();
    }
  });
});

describe("delivery on a socket", () => {
  it("brings each commit as one frame, covers what a filter leaves out, and the same event to all tabs", async () => {
    const token = await userToken("uma");
    const whole = await hello(box.url, token, { from: "start" });
    const filtered = await hello(box.url, token, { from: "start", want: { types: ["agent_completed"] } });
    for (const socket of [whole, filtered]) await socket.nextOf("welcome");
    const run = await box.start({ userId: "uma" });
    expect(await whole.nextOf("events")).toMatchObject({ after: 0, upto: 1 });
    await box.say(run, [thinking, thinking]);
    expect(await whole.nextOf("events")).toMatchObject({ after: 1, upto: 3 });
    await box.say(run, [done]);
    const last = await whole.nextOf("events");
    const only = await readTo(filtered, 0, 4);
    expect(only).toEqual(last.events);
    for (const socket of [whole, filtered]) await socket.close();
  });

  it("stops at its window when nobody acknowledges, and loses nothing", async () => {
    const run = await runOf("vic", 1_000);
    await box.say(
      run,
      Array.from({ length: 200 }, () => thinking),
    );
    const socket = await hello(box.url, await userToken("vic"), { from: "start" });
    await socket.nextOf("welcome");
    const first = await readTo(socket, 0, windowEvents);
    expect(first).toHaveLength(windowEvents);
    socket.send({ type: "ping", ref: 1 });
    // Nothing but the pong: the window is full.
    expect(await socket.next()).toMatchObject({ type: "pong" });
    socket.send({ type: "ack", offset: windowEvents });
    const rest = await readTo(socket, windowEvents, 1_201);
    expect([...first, ...rest].map(({ offset }) => offset)).toEqual(Array.from({ length: 1_201 }, (_, at) => at + 1));
    await socket.close();
  });

  it("counts a notice's receipts: sockets attempted, frames sent, devices that acknowledged", async () => {
    const token = await userToken("wes");
    const [acks, silent] = await Promise.all([hello(box.url, token), hello(box.url, token)]);
    for (const socket of [acks, silent]) await socket.nextOf("welcome");
    const notice = { userId: "wes", type: "x.ping", data: {}, ackWaitMs: 10_000 };
    const answered = box.publish("notices", { ...notice, ackWaitMs: 500 });
    const { upto } = await acks.nextOf("events");
    acks.send({ type: "ack", offset: upto });
    const { body } = await answered;
    expect(body).toMatchObject({ offset: 1, connectionsAttempted: 2, successfulSends: 2, acknowledged: 1, errors: [] });
    for (const socket of [acks, silent]) await socket.close();
  });

  it("reaches no other user, tenant or name that only looks the same", async () => {
    const others = await Promise.all(
      [["Xan"], ["xan "], ["xán"], ["xa\u0301n"], ["xan", { tid: "acme" }]].map(async ([user, claims]) =>
        hello(box.url, await userToken(user as string, claims as Record<string, unknown>), { from: "start" }),
      ),
    );
    const own = await hello(box.url, await userToken("xan"), { from: "start" });
    for (const socket of [...others, own]) await socket.nextOf("welcome");
    await runOf("xan", 5);
    expect(await readTo(own, 0, 6)).toHaveLength(6);
    for (const socket of others) {
      socket.send({ type: "ping" });
      await socket.nextOf("pong");
      expect(socket.frames.map(({ type }) => type)).toEqual(["welcome", "pong"]);
      await socket.close();
    }
    await own.close();
  });
});

describe("a socket that waits too long", () => {
  it("closes 4408 without a hello, and without a confirm where one is asked for", async () => {
    const [silent, unconfirmed, confirmed] = await waiting;
    const ends = await Promise.all([silent.ended, unconfirmed.ended]);
    expect(ends.map(({ code }) => code)).toEqual([4408, 4408]);
    confirmed.send({ type: "ping" });
    expect(await confirmed.nextOf("pong")).toEqual({ type: "pong" });
    await confirmed.close();
  });
});
