import { describe, expect, it } from "vitest";
import { closeCodes } from "../../protocol/close-codes.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { note } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const helloMs = 5_000;
const lateMs = 60;

describe("a connection", () => {
  it("closes with 4408 when no hello comes, and not before", async () => {
    const { open, clock, parts } = await runtimeUnderTest();
    const tab = await open();
    await clock.advance(helloMs - 1);
    expect(tab.transport.ended).toBeUndefined();
    await clock.advance(lateMs);
    expect(tab.transport.ended?.code).toBe(closeCodes.tooLate);
    expect(parts.service.stats().connections).toBe(0);
  });

  it("closes with 4408 also when hello came and its verification hangs", async () => {
    const { open, clock } = await runtimeUnderTest({ authenticate: () => new Promise(() => {}) });
    const tab = await open();
    tab.say({ type: "hello", token: "alice" });
    await clock.advance(helloMs + lateMs);
    expect(tab.transport.ended?.code).toBe(closeCodes.tooLate);
  });

  it("closes with 4401 when the token is bad or missing", async () => {
    const { open, settle } = await runtimeUnderTest();
    for (const hello of [{ token: "bad" }, {}]) {
      const tab = await open();
      tab.say({ type: "hello", ...hello });
      await settle();
      expect(tab.transport.ended?.code).toBe(closeCodes.unauthenticated);
      expect(tab.frames).toEqual([]);
    }
  });

  it("takes the user it was opened for, or the same one again, and nobody else", async () => {
    const { open, clock, settle } = await runtimeUnderTest();
    const principal = userOf("alice", clock.now());
    for (const hello of [{}, { token: "alice" }]) {
      const tab = await open({ principal });
      tab.say({ type: "hello", ...hello });
      await settle();
      expect(tab.of("welcome")).toMatchObject([{ userId: "alice" }]);
    }
    for (const token of ["bob", "alice@other"]) {
      const tab = await open({ principal });
      tab.say({ type: "hello", token });
      await settle();
      expect(tab.transport.ended?.code).toBe(closeCodes.forbidden);
      expect(tab.frames).toEqual([]);
    }
  });

  it.each([
    { type: "ack", offset: 1 },
    { type: "ping" },
    { type: "confirm" },
    { type: "auth", token: "alice" },
    { type: "command", ref: 1, name: "cancel_run" },
  ] as const)("closes with 4400 when the first frame is $type", async (frame) => {
    const { open, clock, settle } = await runtimeUnderTest();
    const tab = await open({ principal: userOf("alice", clock.now()) });
    tab.say(frame);
    await settle();
    expect(tab.transport.ended?.code).toBe(closeCodes.badFrame);
    expect(tab.frames).toEqual([]);
  });

  it("closes with 4400 at a second hello, before and after welcome", async () => {
    const { open, connect, settle } = await runtimeUnderTest();
    const early = await open();
    early.say({ type: "hello", token: "alice" });
    early.say({ type: "hello", token: "alice" });
    const late = await connect("alice");
    late.say({ type: "hello", token: "alice" });
    await settle();
    for (const tab of [early, late]) expect(tab.transport.ended?.code).toBe(closeCodes.badFrame);
    expect(early.frames).toEqual([]);
  });

  it("answers what came between hello and welcome once it is welcome", async () => {
    const { open, settle } = await runtimeUnderTest();
    const tab = await open();
    tab.say({ type: "hello", token: "alice", from: "now" });
    tab.say({ type: "ping", ref: "early" });
    tab.say({ type: "command", ref: 1, name: "fly" });
    await settle();
    expect(tab.frames.map(({ type }) => type)).toEqual(["welcome", "pong", "reply"]);
    expect(tab.of("pong")).toEqual([{ type: "pong", ref: "early" }]);
  });

  it("keeps only so many of them", async () => {
    const { open, settle } = await runtimeUnderTest();
    const tab = await open();
    tab.say({ type: "hello", token: "alice" });
    for (let count = 0; count < 33; count += 1) tab.say({ type: "ping" });
    await settle();
    expect(tab.transport.ended?.code).toBe(closeCodes.badFrame);
  });

  it("closes with 4400 at a malformed frame, whenever it comes", async () => {
    const { open, connect, settle } = await runtimeUnderTest();
    const early = await open();
    const late = await connect("alice");
    for (const tab of [early, late]) tab.connection.malformed({ path: "offset", message: "must be number" });
    await settle();
    for (const tab of [early, late])
      expect(tab.transport.ended).toEqual({ code: 4400, reason: "offset must be number" });
  });

  it("answers a ping with its ref, or without one", async () => {
    const { connect } = await runtimeUnderTest();
    const tab = await connect("alice");
    tab.say({ type: "ping", ref: 7 });
    tab.say({ type: "ping" });
    expect(tab.of("pong")).toEqual([{ type: "pong", ref: 7 }, { type: "pong" }]);
  });

  it("closes with 1011 at a bug of ours, and tells nothing of it", async () => {
    const { open, settle } = await runtimeUnderTest({ authenticate: () => Promise.reject(new Error("secret detail")) });
    const tab = await open();
    tab.say({ type: "hello", token: "alice" });
    await settle();
    expect(tab.transport.ended).toEqual({ code: closeCodes.bug, reason: "internal error" });
  });

  it("closes with 1013 when the log does not answer while it opens", async () => {
    const log = faultyLog(memoryLog());
    const { open, settle, parts } = await runtimeUnderTest({ log });
    log.setDown(true);
    const tab = await open();
    tab.say({ type: "hello", token: "alice" });
    await settle();
    expect(tab.transport.ended?.code).toBe(closeCodes.overloaded);
    expect(parts.service.stats()).toMatchObject({ connections: 0, streams: 0 });
  });

  it("does nothing more once it is closed", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    tab.connection.closed();
    const frames = tab.frames.length;
    const { runId } = await start();
    await publish(runId, 1, [note()]);
    tab.say({ type: "ping" });
    tab.connection.malformed({ path: "", message: "is not JSON" });
    tab.connection.heard();
    tab.connection.writable();
    tab.connection.closed();
    await settle();
    expect(tab.frames).toHaveLength(frames);
    expect(tab.transport.ended).toBeUndefined();
  });

  it("that is closed while it opens leaves nothing behind", async () => {
    const { open, settle, parts } = await runtimeUnderTest();
    for (let turns = 0; turns < 12; turns += 1) {
      const tab = await open();
      tab.say({ type: "hello", token: "alice" });
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      tab.connection.closed();
    }
    await settle();
    expect(parts.service.stats()).toMatchObject({ connections: 0, streams: 0 });
  });

  it("counts against its user's places: the oldest goes with 4409", async () => {
    const { connect } = await runtimeUnderTest({ maxConnectionsPerUser: 2 });
    const bob = await connect("bob");
    const tabs = [await connect("alice"), await connect("alice"), await connect("alice"), await connect("alice")];
    expect(tabs.map(({ transport }) => transport.ended?.code)).toEqual([4409, 4409, undefined, undefined]);
    expect(bob.transport.ended).toBeUndefined();
  });
});

describe("a heartbeat", () => {
  const heartbeatMs = 1_600;

  it("pings, and closes with 4408 when two go unanswered", async () => {
    const { connect, clock } = await runtimeUnderTest({ heartbeatMs });
    const tab = await connect("alice");
    expect(tab.of("welcome")[0]?.heartbeatMs).toBe(heartbeatMs);
    tab.transport.answersPings = false;
    await clock.advance(heartbeatMs + lateMs);
    expect(tab.transport.pings).toBe(1);
    await clock.advance(heartbeatMs);
    expect(tab.transport.ended).toBeUndefined();
    await clock.advance(heartbeatMs);
    expect(tab.transport.ended).toEqual({ code: closeCodes.tooLate, reason: "heartbeat missed" });
    expect(tab.transport.pings).toBe(2);
  });

  it("goes on for everybody when one transport throws", async () => {
    const { connect, start, clock, settle } = await runtimeUnderTest({ heartbeatMs });
    const broken = await connect("alice");
    const tab = await connect("bob");
    // Blocked by its socket, it is asked again with every heartbeat whether there is room.
    broken.transport.bufferedBytes = Number.POSITIVE_INFINITY;
    await start();
    await settle();
    Object.defineProperty(broken.transport, "bufferedBytes", {
      get: () => {
        throw new Error("broken");
      },
    });
    await clock.advance(3 * heartbeatMs + lateMs);
    expect(tab.transport.pings).toBe(3);
    expect(tab.transport.ended).toBeUndefined();
  });

  it("is answered by anything that is heard, and one missed ping is forgiven", async () => {
    const { connect, clock } = await runtimeUnderTest({ heartbeatMs });
    const tab = await connect("alice");
    tab.transport.answersPings = false;
    for (let round = 0; round < 10; round += 1) {
      await clock.advance(2 * heartbeatMs - lateMs);
      tab.say({ type: "ping" });
    }
    expect(tab.transport.ended).toBeUndefined();
  });

  it("comes once in its time, also when that is shorter than the wheel's round", async () => {
    const { connect, clock } = await runtimeUnderTest({ heartbeatMs: 200 });
    const tab = await connect("alice");
    await clock.advance(20_000);
    expect(tab.transport.pings).toBeGreaterThanOrEqual(98);
    expect(tab.transport.pings).toBeLessThanOrEqual(101);
  });

  it("does not cut anybody because the process itself has slept", async () => {
    const { connect, clock } = await runtimeUnderTest({ heartbeatMs });
    const tab = await connect("alice");
    // The answers are in the socket's buffer, and are read only after the overdue timers have fired.
    tab.transport.answersPings = false;
    clock.jump(60_000);
    await clock.advance(heartbeatMs - lateMs);
    tab.connection.heard();
    await clock.advance(heartbeatMs - lateMs);
    expect(tab.transport.ended).toBeUndefined();
  });

  it("does not ask SSE, which has no way back", async () => {
    const { open, clock, settle } = await runtimeUnderTest({ heartbeatMs });
    const tab = await open({ kind: "sse" });
    tab.say({ type: "hello", token: "alice" });
    await settle();
    await clock.advance(20 * heartbeatMs);
    expect(tab.transport).toMatchObject({ pings: 0, ended: undefined });
  });
});

describe("an ack beside the connection", () => {
  it("counts for the connection of the same user only", async () => {
    const { start, publish, connect, call, parts, clock, log } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, [note()]);
    const id = tab.of("welcome")[0]?.connectionId ?? ("" as never);
    const ack = (user: string, connectionId = id) =>
      call(parts.service.ack(userOf(user, clock.now()), connectionId, 2));
    await expect(ack("bob")).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(ack("alice@other")).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(ack("alice", "nobody" as never)).rejects.toMatchObject({ _tag: "NotFound" });
    await ack("alice");
    await clock.advance(1_000);
    expect(await log.ledger()).toMatchObject({ acked: 2, stored: 0 });
  });
});
