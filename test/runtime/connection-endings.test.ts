import { describe, expect, it } from "vitest";
import type { ClientFrame } from "../../protocol/frames.ts";
import { asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import { NotAccepting } from "../../src/errors.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { TestConnection } from "../support/runtime-under-test.ts";
import { runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const hello: ClientFrame = { type: "hello", token: "alice" };
const ping: ClientFrame = { type: "ping" };
const journalOf = () => {
  const told: unknown[] = [];
  return { told, journal: { write: (...record: readonly unknown[]) => void told.push(record) } };
};

describe("the end of a connection", () => {
  it.each<[string, (tab: TestConnection) => void, number, string]>([
    ["whose first frame is no hello", (tab) => tab.say(ping), 4400, "the first frame must be hello"],
    ["that says hello twice at once", (tab) => [hello, hello].forEach(tab.say), 4400, "a second hello"],
    [
      "that floods before its welcome",
      (tab) => [hello, ...Array(33).fill(ping)].forEach(tab.say),
      4400,
      "too many frames before welcome",
    ],
    ["that brings no token", (tab) => tab.say({ type: "hello" }), 4401, "no token"],
    [
      "whose frame is no frame",
      (tab) => tab.connection.malformed({ path: "", message: "is not JSON" }),
      4400,
      "frame is not JSON",
    ],
    [
      "whose frame has a bad field",
      (tab) => tab.connection.malformed({ path: "offset", message: "is negative" }),
      4400,
      "offset is negative",
    ],
  ])("says what was wrong with one %s", async (_, misbehave, code, reason) => {
    const { open, settle } = await runtimeUnderTest();
    const tab = await open();
    misbehave(tab);
    await settle();
    expect(tab.transport.ended).toEqual({ code, reason });
  });

  it("says so when no hello came in time, and when a hello came again after the welcome", async () => {
    const { open, connect, clock, settle } = await runtimeUnderTest();
    const silent = await open();
    const again = await connect("alice");
    again.say(hello);
    await clock.advance(6_000);
    await settle();
    expect(silent.transport.ended).toEqual({ code: 4408, reason: "no hello" });
    expect(again.transport.ended).toEqual({ code: 4400, reason: "a second hello" });
  });

  it("takes 32 early frames and answers them after the welcome", async () => {
    const { open, settle } = await runtimeUnderTest();
    const tab = await open();
    [hello, ...Array.from({ length: 32 }, (_, ref): ClientFrame => ({ type: "ping", ref }))].forEach(tab.say);
    await settle();
    expect(tab.frames[0]?.type).toBe("welcome");
    expect(tab.of("pong").map(({ ref }) => ref)).toEqual(Array.from({ length: 32 }, (_, ref) => ref));
  });

  it("asks to come back later when tokens cannot be verified now", async () => {
    const busy = () => Promise.reject(new NotAccepting({ retryAfterMs: 10 }));
    const { open, settle } = await runtimeUnderTest({ authenticate: busy });
    const tab = await open();
    tab.say(hello);
    await settle();
    expect(tab.transport.ended).toEqual({ code: 1013, reason: "tokens cannot be verified now" });
  });

  it("leaves a bug in the journal with the connection's id, also when it strikes while a token is renewed", async () => {
    const { told, journal } = journalOf();
    const cause = new Error("a bug of the authenticator");
    let isBroken = false;
    const { connect, clock, settle } = await runtimeUnderTest({
      journal,
      authenticate: (token) => (isBroken ? Promise.reject(cause) : Promise.resolve(userOf(token, clock.now()))),
    });
    const tab = await connect("alice");
    isBroken = true;
    tab.say({ type: "auth", token: "alice" });
    await settle();
    expect(tab.transport.ended).toEqual({ code: 1011, reason: "internal error" });
    expect(told).toContainEqual(["error", "connection.failed", { connectionId: tab.connection.id, cause }]);
  });

  it("leaves nothing behind when it comes while the log is read for its snapshot", async () => {
    const memory = memoryLog();
    const reading = Promise.withResolvers<void>();
    const living = async (...ask: Parameters<typeof memory.living>) => {
      const answer = await memory.living(...ask);
      await reading.promise;
      return answer;
    };
    const { open, parts, settle } = await runtimeUnderTest({ log: { ...memory, living } });
    const tab = await open();
    tab.say({ ...hello, snapshot: true } as ClientFrame);
    await settle();
    expect(parts.service.stats()).toMatchObject({ connections: 1, streams: 1 });
    tab.connection.closed();
    reading.resolve();
    await settle();
    expect(tab.frames).toEqual([]);
    expect(parts.service.stats()).toMatchObject({ connections: 0, streams: 0 });
  });
});

describe("the cursors of a user's devices", () => {
  const alice = streamKey(asTenantId("default"), asUserId("alice"));

  async function world(options: { readonly failing?: boolean } = {}) {
    const { told, journal } = journalOf();
    const memory = memoryLog();
    const saved: [string, number][][] = [];
    const cause = new Error("no disk");
    const log: typeof memory = {
      ...memory,
      saveCursors: (cursors) => {
        if (options.failing) return Promise.reject(cause);
        saved.push(cursors.map(({ device, offset }) => [device, offset]));
        return memory.saveCursors(cursors);
      },
    };
    const made = await runtimeUnderTest({ log, journal });
    await made.log.append({
      stream: alice,
      events: Array.from({ length: 5 }, (_, at) => ({
        id: `${at}`,
        type: "x.a",
        time: "2026-01-01T00:00:00.000Z",
        data: "{}",
      })),
    });
    return { ...made, saved, told, cause };
  }

  it("are written together, each once, from the first event on", async () => {
    const { connect, clock, saved, parts } = await world();
    const phone = await connect("alice", { from: "start", device: "phone" });
    const laptop = await connect("alice", { from: "start", device: "laptop" });
    phone.say({ type: "ack", offset: 1 });
    laptop.say({ type: "ack", offset: 3 });
    laptop.say({ type: "ack", offset: 2 });
    await clock.advance(300);
    expect(saved.map((group) => group.toSorted(([a], [b]) => (a < b ? -1 : 1)))).toEqual([
      [
        ["laptop", 3],
        ["phone", 1],
      ],
    ]);
    phone.say({ type: "ack", offset: 4 });
    await clock.advance(300);
    expect(saved.slice(1)).toEqual([[["phone", 4]]]);
    expect(parts.service.stats().acksReceived).toBe(4);
  });

  it("wait for a log that does not take them, and the journal says so", async () => {
    const options = { failing: true };
    const { connect, clock, saved, told, cause } = await world(options);
    const phone = await connect("alice", { from: "start", device: "phone" });
    phone.say({ type: "ack", offset: 2 });
    await clock.advance(300);
    expect(told).toContainEqual(["warn", "cursors.notSaved", { cause }]);
    options.failing = false;
    await clock.advance(300);
    expect(saved).toEqual([[["phone", 2]]]);
  });

  it("do not hold a drain back when the log does not take them", async () => {
    const { connect, call, parts, told, cause } = await world({ failing: true });
    const phone = await connect("alice", { from: "start", device: "phone" });
    phone.say({ type: "ack", offset: 2 });
    await call(parts.service.drain);
    expect(phone.transport.ended?.code).toBe(1012);
    expect(told).toEqual([["warn", "cursors.notSaved", { cause }]]);
  });
});

describe("a goodbye", () => {
  it("spreads the return of all over two seconds, the first after half a second", async () => {
    const { connect, call, parts } = await runtimeUnderTest();
    const tabs = [await connect("alice"), await connect("bob"), await connect("carol"), await connect("dave")];
    await call(parts.service.drain);
    expect(tabs.map((tab) => tab.of("goodbye")[0]?.retryAfterMs)).toEqual([500, 1_000, 1_500, 2_000]);
  });
});
