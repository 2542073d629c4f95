import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventsFrame } from "../../../protocol/frames.ts";
import { hello, type TestSocket } from "../../gateway/support/socket.ts";
import { refused, thinking } from "../../support/black-box.ts";
import { userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { eventually } from "../../support/eventually.ts";
import { expectSettled, expectWhole, NetworkWorld } from "../../support/network-world.ts";
import { percentile } from "../../support/percentile.ts";
import { maskedText, rawWebSocket } from "../../support/raw-websocket.ts";

let world: NetworkWorld;
beforeAll(async () => {
  world = await NetworkWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

const figures: string[] = [];
afterAll(() => console.log(figures.join("\n")));

const leaseMs = 3_600_000;
/** The default of a connection. */
const windowEvents = 1_024;
const most = Number.MAX_SAFE_INTEGER;

/** Reads `events` frames from `after` to `upto`, each beginning where the last one ended. */
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

/** Nothing comes before the answer to a ping. */
async function expectQuiet(socket: TestSocket): Promise<void> {
  socket.send({ type: "ping", ref: "quiet?" });
  expect(await socket.next()).toEqual({ type: "pong", ref: "quiet?" });
}

/** A run of this user that stands at `head`. */
async function standing(userId: string, head: number) {
  const run = await world.box.start({ userId, leaseMs });
  for (let left = head - 1; left > 0; left -= 1_000)
    await world.box.say(
      run,
      Array.from({ length: Math.min(left, 1_000) }, () => thinking),
    );
  return { run, token: await userToken(userId), log: await world.log(userId) };
}

describe("several devices of one user", () => {
  it.each([2, 5, 20])("each have their own window and place: %i sockets (L11, I8)", async (count) => {
    const head = windowEvents + 200;
    const userId = `devices-${count}`;
    const { run, token, log } = await standing(userId, head);
    const sockets = await Promise.all(
      Array.from({ length: count }, (_, number) =>
        hello(world.box.url, token, { from: "start", device: `d${number}` }),
      ),
    );
    // Half of them never say a word, and that holds up nobody else.
    for (const [number, socket] of sockets.entries()) {
      const all = [...(await readTo(socket, 0, windowEvents))];
      if (number % 2 === 0) {
        socket.send({ type: "ack", offset: windowEvents });
        all.push(...(await readTo(socket, windowEvents, head)));
      } else await expectQuiet(socket);
      expect(all).toEqual(log.slice(0, all.length));
    }
    // A late ack opens a window by what it names, and of nobody else.
    const silent = sockets.filter((_, number) => number % 2 === 1);
    for (const [number, socket] of silent.entries()) {
      socket.send({ type: "ack", offset: 10 + number });
      await readTo(socket, windowEvents, windowEvents + 10 + number);
      await expectQuiet(socket);
    }
    for (const socket of sockets) await socket.close();
    // Each comes back to its own place, wherever the others are.
    for (const number of sockets.keys()) {
      const offset = (number * 61) % (head + 1);
      const socket = await hello(world.box.url, token, { cursor: { epoch: run.epoch, offset }, device: `d${number}` });
      const upto = Math.min(head, offset + windowEvents);
      expect(await readTo(socket, offset, upto)).toEqual(log.slice(offset, upto));
      await socket.close();
    }
  });

  it.each([2, 20])(
    "may bear one and the same name: %i connections, none is closed or robbed (I5, I8)",
    async (count) => {
      const userId = `namesakes-${count}`;
      const run = await world.box.start({ userId, leaseMs });
      const tabs = Array.from({ length: count }, () =>
        collect(userId, { url: world.box.url, from: "start", device: "d" }),
      );
      await Promise.all(tabs.map((tab) => tab.has(1)));
      const silent = await hello(world.box.url, await userToken(userId), { from: "start", device: "d" });
      for (let round = 0; round < 10; round += 1) await world.say(run, round, "more");
      // One of them goes and comes back, and takes nothing of the others with it.
      tabs[0]?.client.cut();
      const head = await world.say(run, "after the cut");
      for (const tab of tabs) await expectWhole(world, tab, userId, run);
      expect(await readTo(silent, 0, head)).toHaveLength(head);
      await expectSettled(world, userId);
      const connections = new Set(tabs.map(({ client }) => client.status.connectionId));
      expect(connections.size).toBe(count);
      for (const tab of tabs) tab.client.close();
      await silent.close();
    },
  );
});

describe("an ack", () => {
  it("for what was not sent, or for less than before, changes nothing and closes nothing (I8)", async () => {
    const head = windowEvents + 50;
    const { token } = await standing("odd", head);
    const socket = await hello(world.box.url, token, { from: "start", device: "d" });
    await readTo(socket, 0, windowEvents);
    for (const offset of [windowEvents + 1, head, head + 1, head + 1_000, 2 ** 31, 2 ** 32, most])
      socket.send({ type: "ack", offset });
    await expectQuiet(socket);
    expect(await world.ledger("odd")).toMatchObject({ acked: 0, stored: head });
    socket.send({ type: "ack", offset: 20 });
    await readTo(socket, windowEvents, windowEvents + 20);
    for (const offset of [19, 3, 0, 20, 1, most, windowEvents + 21]) socket.send({ type: "ack", offset });
    await expectQuiet(socket);
    expect(await world.ledger("odd")).toMatchObject({ accepted: head, acked: 20, stored: head - 20, difference: 0 });
    await socket.close();
  });

  it.each(["-1", "-9007199254740991", "1.5", "9007199254740992", "1e400", '"1"', "null", "[1]", "{}", "true", ""])(
    "of %s is a bad frame on the socket and 400 beside it, and acknowledges nothing",
    async (offset) => {
      const { token } = await bad;
      const socket = await hello(world.box.url, token, { from: "start", device: "d" });
      const { connectionId } = await socket.nextOf("welcome");
      const field = offset === "" ? "" : `,"offset":${offset}`;
      const body = `{"connectionId":"${connectionId}"${field}}`;
      const answer = await world.box.call("POST /v1/ack", { as: token, body });
      expect(refused(answer)).toMatchObject({ status: 400, code: "invalid" });
      socket.send(`{"type":"ack"${field}}`);
      expect((await socket.ended).code).toBe(4400);
      expect(await world.ledger("bad")).toMatchObject({ acked: 0, stored: 5 });
    },
  );
  let bad: ReturnType<typeof standing>;
  beforeAll(async () => {
    bad = standing("bad", 5);
    await bad;
  });

  it("for somebody else's connection is answered as one for none, and moves nothing (I9)", async () => {
    const { token } = await standing("owner", 9);
    const socket = await hello(world.box.url, token, { from: "start", device: "d" });
    const { connectionId } = await socket.nextOf("welcome");
    await readTo(socket, 0, 9);
    const gone = await hello(world.box.url, token, { from: "start", device: "d" });
    const { connectionId: goneId } = await gone.nextOf("welcome");
    await gone.close();
    const missing = connectionId.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    const strangers = [
      await userToken("stranger"),
      await userToken("owner", { tid: "acme" }),
      await userToken("Owner"),
    ];
    const ask = async (as: string, id: string) => {
      const startMs = performance.now();
      const { status, text, headers } = await world.box.call("POST /v1/ack", {
        as,
        body: { connectionId: id, offset: 9 },
      });
      const seen = [...headers].filter(([name]) => name !== "date" && !name.includes("request-id"));
      return { answer: { status, text, seen }, ms: performance.now() - startMs };
    };
    const none = (await ask(token, missing)).answer;
    expect([none.status, JSON.parse(none.text)]).toMatchObject([404, { error: { code: "not_found" } }]);
    expect((await ask(token, goneId)).answer).toEqual(none);
    const times = { foreign: [] as number[], missing: [] as number[] };
    for (let round = 0; round < 60; round += 1) {
      const as = strangers[round % strangers.length] ?? "";
      const foreign = await ask(as, connectionId);
      const absent = await ask(as, missing);
      expect(foreign.answer).toEqual(none);
      expect(absent.answer).toEqual(none);
      times.foreign.push(foreign.ms);
      times.missing.push(absent.ms);
    }
    const [foreignMs, missingMs] = [times.foreign, times.missing].map((ms) => percentile(ms, 0.5).toFixed(2));
    figures.push(`ack for a foreign connection p50 ${foreignMs} ms, for none ${missingMs} ms`);
    expect(await world.ledger("owner")).toMatchObject({ acked: 0, stored: 9 });
    expect((await ask(token, connectionId)).answer.status).toBe(200);
    expect(await world.ledger("owner")).toMatchObject({ acked: 9, stored: 0 });
    await socket.close();
  });

  it("a million times over ends the connection with 4429; memory and place stay as they were (I8, I13)", async () => {
    const ackCount = 1_000_000;
    const { token } = await standing("flood", 5);
    const rssOf = () => world.metric("process_resident_memory_bytes");
    const { socket, ended, said } = await rawWebSocket(world.box.url, token);
    socket.write(maskedText('{"type":"hello","from":"start","device":"d"}'));
    await eventually(() => expect(said()).toContain('"upto":5'));
    const block = Buffer.concat(
      Array.from({ length: 1_000 }, (_, at) => maskedText(`{"type":"ack","offset":${at % 4}}`)),
    );
    const before = await rssOf();
    const peaks: number[] = [];
    let sent = 0;
    for (; sent < ackCount && !socket.destroyed; sent += 1_000) {
      const hasRoom = socket.write(block);
      if (hasRoom) continue;
      await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), ended]);
      peaks.push(await rssOf());
    }
    socket.end();
    expect(await ended).toBe(4429);
    const grownMiB = (Math.max(...peaks, await rssOf()) - before) / 1_048_576;
    figures.push(`${sent} acks on one socket: server grew by ${grownMiB.toFixed(1)} MiB at most`);
    expect(grownMiB).toBeLessThan(64);
    expect(await world.ledger("flood")).toMatchObject({ acked: 3, stored: 2, difference: 0 });
    const back = await hello(world.box.url, token, { from: "start", device: "d" });
    await readTo(back, 0, 5);
    await back.close();
  });

  it("thousands of times over HTTP moves the place once and keeps nothing (I8, I13)", async () => {
    const { token } = await standing("busy", 5);
    const socket = await hello(world.box.url, token, { from: "start", device: "d" });
    const { connectionId } = await socket.nextOf("welcome");
    await readTo(socket, 0, 5);
    const before = await world.metric("process_resident_memory_bytes");
    for (let round = 0; round < 100; round += 1) {
      const answers = await Promise.all(
        [0, 1, 2, 3, 4, 6, 7, 100, 2 ** 40, most].map((offset) =>
          world.box.call("POST /v1/ack", { as: token, body: { connectionId, offset } }),
        ),
      );
      expect(answers.every(({ status, text }) => status === 200 && text === "{}")).toBe(true);
    }
    expect(await world.ledger("busy")).toMatchObject({ acked: 4, stored: 1, difference: 0 });
    const grownMiB = ((await world.metric("process_resident_memory_bytes")) - before) / 1_048_576;
    figures.push(`1,000 acks over HTTP: server grew by ${grownMiB.toFixed(1)} MiB`);
    expect(grownMiB).toBeLessThan(64);
    await socket.close();
  });
});
