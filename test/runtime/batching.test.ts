import { describe, expect, it } from "vitest";
import { batchWidth } from "../../src/runtime/batcher.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

const delta = (text: string, messageId = "m") => ({
  type: "agent_delta",
  data: { messageId, channel: "text", text },
});
const note = (at: number) => ({ type: "x.note", data: { at } });
const progress = (toolCallId: string, percent: number) => ({
  type: "tool_progress",
  data: { toolCallId, percent },
});
const executing = (toolCallId: string) => ({ type: "tool_executing", data: { toolCallId, toolName: "t" } });

async function world(options: Parameters<typeof runtimeUnderTest>[0] = {}) {
  const runtime = await runtimeUnderTest({ leaseMs: 600_000, heartbeatMs: 300_000, ...options });
  const run = await runtime.start();
  const say = (...events: unknown[]) => runtime.publish(run.runId, run.fence, events);
  return { ...runtime, run, say };
}

describe("batches", () => {
  it("are not made for who does not ask: each commit leaves at once", async () => {
    const { connect, say } = await world();
    const tab = await connect("alice", { from: "now" });
    await say(note(1));
    await say(note(2));
    expect(tab.of("events").map(({ events }) => events.length)).toEqual([1, 1]);
  });

  it("hold events back for 50 ms while the connection is well, and send them as one frame", async () => {
    const { connect, say, clock } = await world();
    const tab = await connect("alice", { from: "now", batch: true });
    await say(note(1));
    await clock.advance(20);
    await say(note(2));
    expect(tab.of("events")).toEqual([]);
    await clock.advance(25);
    expect(tab.of("events")).toEqual([]);
    await clock.advance(10);
    expect(tab.of("events")).toMatchObject([{ after: 1, upto: 3, events: [{ offset: 2 }, { offset: 3 }] }]);
    await say(note(3));
    expect(tab.of("events")).toHaveLength(1);
    await clock.advance(55);
    expect(tab.of("events").at(-1)).toMatchObject({ after: 3, upto: 4 });
  });

  it("leave before their time when they are full, and hold no more events than that", async () => {
    const { connect, say } = await world();
    const tab = await connect("alice", { from: "now", batch: true });
    for (let at = 0; at < 4; at += 1) await say(note(at));
    expect(tab.of("events")).toEqual([]);
    await say(note(4));
    expect(tab.of("events").map(({ events }) => events.length)).toEqual([5]);
    await say(...Array.from({ length: 12 }, (_, at) => note(at)));
    expect(tab.of("events").map(({ events }) => events.length)).toEqual([5, 5, 5, 2]);
  });

  it.each([
    ["a run that ends", { type: "agent_completed", data: {} }],
    ["a question to a human", { type: "agent_suspended", data: { reason: "ask", approvals: [{ approvalId: "a" }] } }],
    ["a wish to stop", { type: "cancel_requested", data: { by: "user", deadlineMs: 60_000 } }],
  ])("let %s pass at once, with all that waits before it", async (_, event) => {
    const { connect, say } = await world();
    const tab = await connect("alice", { from: "now", batch: true });
    await say(note(1));
    await say(event);
    expect(tab.of("events").flatMap(({ events }) => events.map(({ type }) => type))).toEqual(["x.note", event.type]);
  });

  it("let notices pass at once, and count them as sent", async () => {
    const { connect, say, parts, call } = await world();
    const tab = await connect("alice", { from: "now", batch: true });
    await say(note(1));
    const publisher = { kind: "publisher", name: "p", tenants: "*", rights: ["publish"] } as const;
    const result = await call(parts.service.notify(publisher, { userId: "alice", type: "x.mail", data: {} }));
    expect(result).toMatchObject({ connectionsAttempted: 1, successfulSends: 1 });
    expect(tab.events().map(({ type }) => type)).toEqual(["x.note", "x.mail"]);
  });

  it("join the deltas of a message and keep the newest progress of a tool, unless the client declines", async () => {
    const { connect, say, clock } = await world();
    const merged = await connect("alice", { from: "now", batch: { maxEvents: 20 } });
    const exact = await connect("alice", { from: "now", batch: true, mergeDeltas: false });
    await say(executing("a"), executing("b"));
    await clock.advance(60);
    await say(delta("one "), delta("two"));
    await clock.advance(60);
    await say(progress("a", 1), progress("a", 2), progress("b", 1), progress("a", 3));
    await clock.advance(60);
    expect(merged.events().slice(2)).toMatchObject([
      { offset: 5, data: { text: "one two" } },
      { offset: 7, data: { toolCallId: "a", percent: 2 } },
      { offset: 8, data: { toolCallId: "b", percent: 1 } },
      { offset: 9, data: { toolCallId: "a", percent: 3 } },
    ]);
    expect(exact.events()).toHaveLength(8);
  });

  it("do not hold back what is resumed", async () => {
    const { connect, say, run } = await world();
    await say(...Array.from({ length: 30 }, (_, at) => note(at)));
    const tab = await connect("alice", { cursor: { epoch: run.epoch as never, offset: 1 }, batch: true });
    expect(tab.events()).toHaveLength(30);
  });

  it("widen as acks fall behind, and narrow as they come", async () => {
    const { connect, say, clock } = await world({ windowEvents: 100 });
    const tab = await connect("alice", { from: "now", batch: true });
    const framesOf = async (count: number): Promise<number[]> => {
      const before = tab.of("events").length;
      for (let at = 0; at < count; at += 1) await say(note(at));
      await clock.advance(150);
      return tab
        .of("events")
        .slice(before)
        .map(({ events }) => events.length);
    };
    expect(await framesOf(10)).toEqual([5, 5]);
    await framesOf(60);
    const [wide = 0] = await framesOf(20);
    expect(wide).toBeGreaterThan(7);
    tab.say({ type: "ack", offset: tab.events().at(-1)?.offset ?? 0 });
    expect(await framesOf(10)).toEqual([5, 5]);
  });

  it("do not wait in performance mode, of the run or of the user", async () => {
    const { connect, start, publish, say, parts } = await world();
    const tab = await connect("alice", { from: "now", batch: true });
    const fast = await start({ mode: "performance" });
    expect(tab.events()).toHaveLength(1);
    await publish(fast.runId, fast.fence, [note(1)]);
    expect(tab.events()).toHaveLength(2);
    await say(note(2));
    expect(tab.events()).toHaveLength(2);
    await parts.flags.set({ performanceMode: true }, "app");
    expect(tab.events()).toHaveLength(3);
    await say(note(3));
    expect(tab.events()).toHaveLength(4);
  });

  it("are given by a flag and taken by one, to connections that are open, without a restart", async () => {
    const { connect, say, parts, clock } = await world();
    const [asking, plain] = [
      await connect("alice", { from: "now", batch: true }),
      await connect("alice", { from: "now" }),
    ];
    await parts.flags.set({ batching: "on" }, "app");
    for (let at = 0; at < 19; at += 1) await say(note(at));
    expect([asking.events().length, plain.events().length]).toEqual([0, 0]);
    await say(note(19));
    expect(plain.of("events").map(({ events }) => events.length)).toEqual([20]);
    await parts.flags.set({ batching: "off" }, "app");
    await say(note(20));
    expect([asking.events().length, plain.events().length]).toEqual([21, 21]);
    await parts.flags.set({ batching: { default: "asked", tenants: { default: "adaptive" } } }, "app");
    await say(note(21));
    expect(plain.events()).toHaveLength(21);
    await clock.advance(60);
    expect(plain.events()).toHaveLength(22);
  });

  it("are given by a tier", async () => {
    const { connect, say, clock } = await world({ tiers: { tiers: { enterprise: { batching: "adaptive" } } } });
    const tab = await connect("alice", { from: "now" });
    await say(note(1));
    expect(tab.events()).toEqual([]);
    await clock.advance(60);
    expect(tab.events()).toHaveLength(1);
  });

  it("of many connections share one timer", async () => {
    const { connect, say, clock } = await world();
    const tabs = [];
    for (let count = 0; count < 20; count += 1) tabs.push(await connect("alice", { from: "now", batch: true }));
    await say(note(1));
    await clock.advance(60);
    for (const tab of tabs) expect(tab.events()).toHaveLength(1);
  });
});

describe("the width of a batch", () => {
  const whole = { maxEvents: 20, maxDelayMs: 100, isAdaptive: true };
  it("goes from 5 events within 50 ms to 20 within 100 ms as health falls", () => {
    expect(batchWidth(whole, 100)).toEqual({ maxEvents: 5, maxDelayMs: 50 });
    expect(batchWidth(whole, 50)).toEqual({ maxEvents: 13, maxDelayMs: 75 });
    expect(batchWidth(whole, 0)).toEqual({ maxEvents: 20, maxDelayMs: 100 });
    const widths = Array.from({ length: 101 }, (_, health) => batchWidth(whole, 100 - health));
    expect(widths.toSorted((a, b) => a.maxEvents - b.maxEvents || a.maxDelayMs - b.maxDelayMs)).toEqual(widths);
  });

  it("goes no further than the connection asked for, and stands still when it is fixed", () => {
    expect(batchWidth({ maxEvents: 8, maxDelayMs: 60, isAdaptive: true }, 0)).toEqual({ maxEvents: 8, maxDelayMs: 60 });
    expect(batchWidth({ ...whole, isAdaptive: false }, 100)).toEqual({ maxEvents: 20, maxDelayMs: 100 });
  });
});
