import { describe, expect, it } from "vitest";
import { connect } from "../../src/client/client.ts";
import { asRunId, type Cursor } from "../../protocol/ids.ts";
import { socketUrl } from "../../src/client/endpoint.ts";
import { clientUnderTest, take, untilState, untilStatus, welcomed } from "../support/client-under-test.ts";
import { oneRun } from "../support/sample-stream.ts";
import { epochA, epochB, welcome } from "../support/scripted-server.ts";

const log = oneRun("r-1", 4);
const at = (offset: number, epoch = epochA): Cursor => ({ epoch, offset });

describe("client handshake", () => {
  it("says who it is in hello, in no address, and confirms the welcome (LESSON 43)", async () => {
    await using world = await clientUnderTest({ device: "tab-1", from: "start", mergeDeltas: false });
    const connection = await world.server.connection();
    expect([connection.path, connection.subprotocol]).toEqual(["/v1/ws", "runcast.v1"]);
    expect(await connection.frame("hello")).toEqual({
      type: "hello",
      token: "token-1",
      device: "tab-1",
      mergeDeltas: false,
      from: "start",
    });
    connection.send(welcome());
    await connection.frame("confirm");
    expect(connection.received.map(({ type }) => type)).toEqual(["hello", "confirm"]);
    expect(world.client.status).toMatchObject({ state: "live", connectionId: "c-1", userId: "alice", attempt: 0 });
  });

  it("asks for the token before it opens a socket, and stops when nobody is logged in (LESSON 36)", async () => {
    await using world = await clientUnderTest({ token: () => undefined });
    const { lastError, ...status } = await untilState(world.client, "stopped");
    expect(lastError).toBeUndefined();
    expect(status.state).toBe("stopped");
    expect(world.server.connectionCount).toBe(0);
  });

  it("is not live before the welcome, and drops a server that speaks too early (LESSON 34)", async () => {
    await using world = await clientUnderTest();
    const connection = await world.server.connection();
    await connection.frame("hello");
    connection.events(log.slice(0, 1));
    const { lastError } = await untilState(world.client, "waiting");
    expect(lastError?.message).toContain("before welcome");
  });

  it("begins with start() when it is told to wait", async () => {
    await using world = await clientUnderTest({ autoStart: false });
    expect(world.client.status.state).toBe("stopped");
    world.client.start();
    await welcomed(world.server);
    await untilState(world.client, "live");
  });

  it.each([
    ["http://a.example", "ws://a.example/v1/ws"],
    ["https://a.example/base/", "wss://a.example/base/v1/ws"],
    ["wss://a.example/v1/ws", "wss://a.example/v1/ws"],
    ["ws://a.example/own?x=1#y", "ws://a.example/own?x=1"],
  ])("finds the socket of %s", (url, address) => {
    expect(socketUrl(url)).toBe(address);
  });

  it("refuses an address that is none", () => {
    for (const url of ["ftp://a.example", "not an address"])
      expect(() => connect({ url, token: () => "t" })).toThrow(TypeError);
  });
});

describe("client stream", () => {
  it("hands over every event once and in order, whatever comes twice (L3, L5)", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const events = world.client.events();
    const heard: number[] = [];
    world.client.on("event", ({ offset }) => heard.push(offset));
    const connection = await welcomed(world.server, { head: 9 });
    connection.events(log.slice(0, 3));
    connection.events(log.slice(0, 3));
    connection.events(log.slice(1, 6));
    connection.events(log.slice(6));
    expect((await take(events, 9)).map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(heard).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(world.client.status).toMatchObject({ state: "live", doubles: 5, holes: 0, cursor: at(9) });
  });

  it("refuses a hole: closes, comes back with its cursor and goes on (L4)", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const events = world.client.events();
    const first = await welcomed(world.server, { head: 9 });
    first.events(log.slice(0, 2));
    first.events(log.slice(4));
    await first.closed;
    world.timers.advance(200);
    const second = await world.server.connection();
    expect((await second.frame("hello")).cursor).toEqual(at(2));
    second.send(welcome({ resumed: "replayed", head: 9 }));
    second.events(log.slice(2));
    expect((await take(events, 9)).map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(world.client.status.holes).toBe(1);
  });

  it("tells catching up from live", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const connection = await welcomed(world.server, { head: 9 });
    await untilState(world.client, "catchingUp");
    connection.events(log.slice(0, 8));
    connection.events(log.slice(8));
    expect(await untilState(world.client, "live")).toMatchObject({ head: 9, cursor: at(9) });
  });

  it("drops a link that sends what is no frame, and passes over frames of a newer server", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const connection = await welcomed(world.server);
    connection.send({ type: "of_tomorrow" });
    await connection.settled();
    expect(world.client.status.state).toBe("live");
    connection.text('{"type":"events","after":"0"}');
    await connection.closed;
    expect(world.client.status.lastError?.message).toContain("bad frame");
  });

  it("hears nothing of a socket that it has left: one socket, one stream (LESSON 37)", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const events = world.client.events();
    const stale = await welcomed(world.server);
    await untilState(world.client, "live");
    world.client.cut();
    stale.events(log.slice(0, 1));
    world.timers.advance(200);
    const connection = await welcomed(world.server, { resumed: "replayed", head: 9 });
    stale.events(log.slice(0, 2));
    stale.close(4403);
    connection.events(log.slice(0, 3));
    expect((await take(events, 3)).map(({ offset }) => offset)).toEqual([1, 2, 3]);
    expect(world.client.status).toMatchObject({ doubles: 0, holes: 0 });
    expect(world.server.connectionCount).toBe(2);
  });

  it("folds a snapshot and the tail after it into the view of a client that saw it all", async () => {
    await using whole = await clientUnderTest({ from: "start" });
    (await welcomed(whole.server, { head: 9 })).events(log.slice(0, 6));
    await untilStatus(whole.client, ({ cursor }) => cursor?.offset === 6);
    const view = whole.client.run("r-1").view;
    await using world = await clientUnderTest();
    const shown: number[] = [];
    world.client.on("snapshot", (runs) => shown.push(runs.length));
    const connection = await welcomed(world.server, { resumed: "snapshot", head: 6 });
    connection.send({ type: "snapshot", at: 6, runs: view === undefined ? [] : [view] });
    connection.events(log.slice(6));
    const done = await world.client.run("r-1").done;
    expect(shown).toEqual([1]);
    expect(done).toMatchObject({ state: "completed", output: "noon", seq: 9, offset: 9 });
    expect(done.messages).toEqual([{ messageId: "m-1", role: "assistant", channel: "text", text: "0 1 2 3 " }]);
  });

  it("hands a loop the gap that stands at the very beginning of its stream (L4)", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const items = world.client.events({ gaps: true });
    const connection = await welcomed(world.server, { head: 9, resumed: "gap" });
    connection.send({ type: "gap", from: 1, upto: 6, reason: "retention" });
    connection.events(log.slice(6));
    const gap = { type: "gap", from: 1, upto: 6, reason: "retention" };
    expect(await take(items, 4)).toEqual([gap, ...log.slice(6)]);
  });

  it("declares a gap at its place, and goes on after it", async () => {
    await using world = await clientUnderTest({ cursor: at(2) });
    const items = world.client.events({ gaps: true });
    const gaps: unknown[] = [];
    world.client.on("gap", (gap) => gaps.push(gap));
    const connection = await welcomed(world.server, { resumed: "gap", head: 9 });
    connection.send({ type: "gap", from: 3, upto: 6, reason: "retention" });
    connection.events(log.slice(6));
    const gap = { type: "gap", from: 3, upto: 6, reason: "retention" };
    expect(await take(items, 4)).toEqual([gap, ...log.slice(6)]);
    expect(gaps).toEqual([gap]);
    expect(world.client.status.mayRepeat).toBe(false);
  });

  it("begins anew in another epoch: folded runs are forgotten, the gap is told, nothing is mixed", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const items = world.client.events({ gaps: true });
    const first = await welcomed(world.server, { head: 12 });
    first.events(oneRun("over", 2, 1));
    first.events(log.slice(0, 5).map((event) => ({ ...event, offset: event.offset + 7 })));
    await take(items, 12);
    expect(world.client.runs()).toHaveLength(2);
    const lost = world.client.run("r-1").done;
    first.cut();
    await untilState(world.client, "waiting");
    world.timers.advance(200);
    const second = await welcomed(world.server, { resumed: "gap", head: 2, epoch: epochB });
    second.send({ type: "gap", from: 1, upto: 2, reason: "epoch" }, { type: "snapshot", at: 2, runs: [] });
    second.events(oneRun("r-2", 1, 3));
    await expect(lost).rejects.toThrow("r-1");
    const [gap, ...events] = await take(items, 7);
    expect(gap).toEqual({ type: "gap", from: 1, upto: 2, reason: "epoch" });
    expect(events).toEqual(oneRun("r-2", 1, 3));
    expect(world.client.runs().map(({ runId }) => runId)).toEqual(["r-2"]);
    expect(world.client.status).toMatchObject({ mayRepeat: true, cursor: at(8, epochB) });
  });

  it("forgets with a new welcome what an earlier connection was told of breakers", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const connection = await welcomed(world.server);
    connection.send({ type: "status", channel: "log", state: "open" });
    await untilStatus(world.client, ({ channels }) => channels["log"] === "open");
    world.client.cut();
    world.timers.advance(200);
    await welcomed(world.server, { resumed: "replayed" });
    await untilState(world.client, "live");
    expect(world.client.status.channels).toEqual({});
  });

  it("marks a run whose runner fell silent, until it is heard again", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const connection = await welcomed(world.server, { head: 2 });
    connection.events(log.slice(0, 2));
    connection.send({ type: "status", run: { runId: asRunId("r-1"), stalled: true } });
    connection.send({ type: "status", channel: "log", state: "open" });
    await untilStatus(world.client, ({ channels }) => channels["log"] === "open");
    expect(world.client.run("r-1").view?.stalled).toBe(true);
    connection.send({ type: "status", channel: "connection", state: "halfOpen" });
    await untilStatus(world.client, ({ channels }) => channels["connection"] === "halfOpen");
    expect(world.client.status.channels).toEqual({ log: "open", connection: "halfOpen" });
    connection.events(log.slice(2, 3));
    await untilStatus(world.client, ({ cursor }) => cursor?.offset === 3);
    expect(world.client.run("r-1").view?.stalled).toBeUndefined();
  });
});

describe("client acks", () => {
  it("acknowledges what every loop is through with, once per 200 ms", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const fast = world.client.events();
    const slow = world.client.events();
    const connection = await welcomed(world.server, { head: 9 });
    connection.events(log.slice(0, 6));
    await take(fast, 6);
    // Busy with the third: a crash now must bring it again.
    await take(slow, 3);
    world.timers.advance(200);
    expect(await connection.frame("ack")).toEqual({ type: "ack", offset: 2 });
    await take(slow, 3);
    for (const loop of [fast, slow]) void loop.next();
    world.timers.advance(200);
    expect(await connection.frame("ack")).toEqual({ type: "ack", offset: 6 });
  });

  it("stops acknowledging when the application stops reading: backpressure, nothing dropped", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const events = world.client.events();
    const connection = await welcomed(world.server, { head: 9, windowEvents: 4 });
    connection.events(log.slice(0, 4));
    await connection.settled();
    world.timers.advance(1_000);
    await connection.settled();
    expect(connection.received.filter(({ type }) => type === "ack")).toEqual([]);
    await take(events, 4);
    void events.next();
    expect((await connection.frame("ack")).offset).toBeLessThanOrEqual(4);
    expect(connection.received.findLast(({ type }) => type === "ack")).toBeDefined();
  });

  it("does not come back for more while a window lies unread, so that cuts cannot fill the memory (L11)", async () => {
    const steps: string[] = [];
    const token = (): string => {
      steps.push("asks for a token");
      return "token";
    };
    await using world = await clientUnderTest({ from: "start", token });
    const events = world.client.events();
    const first = await welcomed(world.server, { head: 9, windowEvents: 4 });
    first.events(log.slice(0, 4));
    await first.settled();
    world.client.cut();
    world.timers.advance(200);
    await first.closed;
    expect(world.client.status.state).toBe("connecting");
    steps.push("reads");
    await take(events, 1);
    const second = await welcomed(world.server, { resumed: "replayed", head: 9, windowEvents: 4 });
    second.events(log.slice(4, 8));
    expect((await take(events, 7)).map(({ offset }) => offset)).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(steps).toEqual(["asks for a token", "reads", "asks for a token"]);
  });

  it("leaves a server that does not keep to its window", async () => {
    await using world = await clientUnderTest({ from: "start" });
    world.client.events();
    const connection = await welcomed(world.server, { head: 9, windowEvents: 2 });
    connection.events(log.slice(0, 6));
    connection.events(log.slice(6));
    await connection.closed;
    expect(world.client.status.lastError?.message).toContain("window");
  });

  it("goes on with a loop that was left", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const connection = await welcomed(world.server, { head: 9 });
    const events = world.client.events();
    connection.events(log.slice(0, 4));
    for await (const event of events) if (event.offset === 2) break;
    world.timers.advance(200);
    expect(await connection.frame("ack")).toEqual({ type: "ack", offset: 4 });
  });

  it("acknowledges right before it closes with 1000, and ends its loops", async () => {
    await using world = await clientUnderTest({ from: "start" });
    const connection = await welcomed(world.server, { head: 9 });
    const read = world.client.events();
    const unread = world.client.events();
    connection.events(log.slice(0, 4));
    await take(read, 3);
    await take(unread, 2);
    const waiting = (await take(read, 1), read.next());
    world.client.close();
    expect(await connection.closed).toBe(1000);
    expect(connection.received.filter(({ type }) => type === "ack")).toEqual([{ type: "ack", offset: 2 }]);
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await unread.next()).toEqual({ done: true, value: undefined });
    expect(world.client.status.state).toBe("stopped");
    expect(world.timers.waitsMs).toEqual([]);
  });

  it("keeps the place that was handed over, and goes on there in another life", async () => {
    const saved: Cursor[] = [];
    const storage = { load: () => saved.at(-1), save: (cursor: Cursor) => saved.push(cursor) };
    await using world = await clientUnderTest({ from: "start", storage });
    const events = world.client.events();
    const connection = await welcomed(world.server, { head: 9 });
    connection.events(log.slice(0, 4));
    await take(events, 3);
    world.client.close();
    expect(saved).toEqual([at(3)]);
    await using next = await clientUnderTest({ from: "start", storage });
    expect((await (await next.server.connection()).frame("hello")).cursor).toEqual(at(3));
    expect(next.client.status.mayRepeat).toBe(false);
  });

  it.each<[string, () => Cursor | undefined]>([
    ["that throws", () => JSON.parse("{") as Cursor],
    ["that is garbage", () => ({ epoch: 7, offset: -1 }) as never],
  ])("says that events may repeat with a storage %s", async (_, load) => {
    await using world = await clientUnderTest({ from: "start", storage: { load, save: () => {} } });
    const hello = await (await world.server.connection()).frame("hello");
    expect([hello.from, hello.cursor]).toEqual(["start", undefined]);
    expect(world.client.status.mayRepeat).toBe(true);
  });
});
