import * as Effect from "effect/Effect";
import { afterEach, describe, expect, it } from "vitest";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import {
  broadcastUserEvent,
  createWebSocketManager,
  UnifiedWebSocketEmitter,
  UserScopedWebSocketEventRouter,
  UserWebSocketManager,
  WebSocketEventRouter,
} from "../../src/facade/index.ts";
import { createRuncast } from "../../src/make-runcast.ts";
import type { Runcast } from "../../src/runcast.ts";
import { prometheusText } from "../../src/telemetry/prometheus.ts";
import { RecordingTransport } from "../support/runtime-under-test.ts";

const runcasts: Runcast[] = [];
afterEach(async () => {
  for (const runcast of runcasts.splice(0)) await runcast.close();
});

async function open(): Promise<Runcast> {
  const runcast = await createRuncast({ store: "memory:", auth: async (token) => ({ userId: token }) });
  runcasts.push(runcast);
  return runcast;
}

/** A tab of that user that reads everything that is sent to it. */
async function tabOf(runcast: Runcast, userId: string, tenantId = "default") {
  const transport = new RecordingTransport();
  const principal = {
    ...{ kind: "user" as const, userId: asUserId(userId), tenantId: asTenantId(tenantId) },
    expiresAtMs: Date.now() + 3_600_000,
  };
  const connection = await Effect.runPromise(runcast.runtime.open({ transport, principal }));
  connection.receive({ type: "hello", from: "start" });
  await expect.poll(() => transport.frames.length).toBeGreaterThan(0);
  const events = () => transport.frames.flatMap((frame) => (frame.type === "events" ? frame.events : []));
  return { transport, events, types: () => events().map(({ type }) => type) };
}
async function streamOf(runcast: Runcast, userId: string, count: number, tenantId?: string): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const { type, data } of runcast.events({ userId, tenantId })) {
    seen.push({ type, data });
    if (seen.length === count) break;
  }
  return seen;
}
const event = { type: "mail", data: { n: 1 } };
const metric = (runcast: Runcast): string => prometheusText({ runtime: runcast.runtime.figures() });

describe("the broadcast functions", () => {
  it("resolve to the number of sockets that were handed the event", async () => {
    const runcast = await open();
    const context = { runcast, userId: "alice" };
    const tabs = [await tabOf(runcast, "alice"), await tabOf(runcast, "alice")];
    await tabOf(runcast, "bob");
    expect(await new WebSocketEventRouter(runcast).broadcastToUser("alice", event)).toBe(2);
    expect(await new UserScopedWebSocketEventRouter(context).broadcastToUser(event)).toBe(2);
    expect(await broadcastUserEvent({ ...event, type: "x.mail" }, context)).toBe(2);
    for (const tab of tabs) expect(tab.types()).toEqual(["x.mail", "x.mail", "x.mail"]);
  });

  it("count no socket that took nothing", async () => {
    const runcast = await open();
    const tab = await tabOf(runcast, "alice");
    tab.transport.gone = true;
    expect(await broadcastUserEvent(event, { runcast, userId: "alice" })).toBe(0);
  });

  it("write first: with nobody there they resolve to 0, and the event is kept", async () => {
    const runcast = await open();
    expect(await new WebSocketEventRouter(runcast).broadcastToUser("alice", event)).toBe(0);
    expect((await tabOf(runcast, "alice")).types()).toEqual(["x.mail"]);
  });

  it("fail as notify fails, with no second way", async () => {
    const runcast = await open();
    const foreign = { type: "mail", data: { recipientId: "bob" } };
    await expect(broadcastUserEvent(foreign, { runcast, userId: "alice" })).rejects.toMatchObject({
      _tag: "Contaminated",
    });
    await runcast.close();
    await expect(broadcastUserEvent(event, { runcast, userId: "alice" })).rejects.toBeDefined();
  });

  it("take an event without data by its other fields, and a key that makes a retry safe", async () => {
    const runcast = await open();
    const context = { runcast, userId: "alice" };
    for (let retry = 0; retry < 2; retry += 1) await broadcastUserEvent({ type: "mail", n: 2, key: "k" }, context);
    await broadcastUserEvent(event, context);
    expect(await streamOf(runcast, "alice", 2)).toEqual([
      { type: "x.mail", data: { n: 2 } },
      { type: "x.mail", data: { n: 1 } },
    ]);
  });
});

describe("the emitter", () => {
  it("says its five events of one run, each with the number of sockets that were handed it", async () => {
    const runcast = await open();
    const tab = await tabOf(runcast, "alice");
    const emitter = new UnifiedWebSocketEmitter({ runcast, userId: "alice", threadId: "t-1" });
    // Not awaited one by one: they keep their places.
    const sends = await Promise.all([
      emitter.emitAgentStarted("r-1", { agent: "adder", input: { text: "1 + 1" } }),
      emitter.emitAgentThinking("r-1", { thought: "easy" }),
      emitter.emitToolExecuting("r-1", { toolCallId: "c", toolName: "add" }),
      emitter.emitToolCompleted("r-1", { toolCallId: "c", status: "ok", result: 2 }),
      emitter.emitAgentCompleted("r-1", { output: 2 }),
    ]);
    expect(sends).toEqual([1, 1, 1, 1, 1]);
    expect(tab.types()).toEqual([
      "agent_started",
      "agent_thinking",
      "tool_executing",
      "tool_completed",
      "agent_completed",
    ]);
    expect(tab.events().every(({ threadId }) => threadId === "t-1")).toBe(true);
    expect(await runcast.run("r-1")).toMatchObject({ state: "completed" });
  });

  it("is judged by the run machine: what is illegal is refused and not sent", async () => {
    const runcast = await open();
    const tab = await tabOf(runcast, "alice");
    const emitter = new UnifiedWebSocketEmitter({ runcast, userId: "alice" });
    await emitter.emitAgentStarted("r-1", { agent: "a" });
    const open1 = { toolCallId: "c", toolName: "t" };
    await emitter.emitToolExecuting("r-1", open1);
    await expect(emitter.emitAgentCompleted("r-1")).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await expect(emitter.emitAgentThinking("r-2")).rejects.toThrow("emitAgentStarted comes first");
    expect(tab.types()).toEqual(["agent_started", "tool_executing"]);
  });

  it("starts a run that failed to start anew, and lets an ended one go", async () => {
    const runcast = await open();
    const emitter = new UnifiedWebSocketEmitter({ runcast, userId: "alice" });
    await expect(emitter.emitAgentStarted("r-1", { agent: "" })).rejects.toMatchObject({ _tag: "InvalidInput" });
    expect(await emitter.emitAgentStarted("r-1", { agent: "a" })).toBe(0);
    await emitter.emitAgentCompleted("r-1");
    await expect(emitter.emitAgentThinking("r-1")).rejects.toThrow("emitAgentStarted comes first");
  });
});

describe("an emitter's context", () => {
  it("says whose run it is, and what is said of the agent does not", async () => {
    const runcast = await open();
    const emitter = new UnifiedWebSocketEmitter({ runcast, userId: "alice" });
    const sneaky = { agent: "a", userId: "bob", tenantId: "globex", threadId: "theirs", runId: "r-2" };
    await emitter.emitAgentStarted("r-1", sneaky);
    expect(await streamOf(runcast, "alice", 1)).toMatchObject([{ type: "agent_started" }]);
    await expect(runcast.run("r-1", "globex")).rejects.toMatchObject({ _tag: "NotFound" });
    await expect(runcast.run("r-2")).rejects.toMatchObject({ _tag: "NotFound" });
  });
});

describe("a manager", () => {
  it("is made by its factory, and constructing one throws", async () => {
    const runcast = await open();
    const context = { runcast, userId: "alice" };
    for (const maker of [Symbol("createWebSocketManager"), undefined as unknown as symbol])
      expect(() => new UserWebSocketManager(maker, context)).toThrow("createWebSocketManager(userContext)");
    const manager = createWebSocketManager(context);
    expect(manager.userId).toBe("alice");
    await tabOf(runcast, "alice");
    expect(await manager.sendEvent(event)).toBe(1);
    expect(await manager.emitter.emitAgentStarted("r-1", { agent: "a" })).toBe(1);
  });

  it("reaches its own user and nobody else, whatever it is told and whoever changes the context (L8)", async () => {
    const runcast = await open();
    const context = { runcast, userId: "alice", tenantId: "acme" };
    const alice = createWebSocketManager(context);
    Object.assign(context, { userId: "bob", tenantId: "globex" });
    const bob = createWebSocketManager({ runcast, userId: "bob", tenantId: "acme" });
    const tabs = {
      alice: await tabOf(runcast, "alice", "acme"),
      bob: await tabOf(runcast, "bob", "acme"),
      foreign: await tabOf(runcast, "bob", "globex"),
      namesake: await tabOf(runcast, "alice", "globex"),
    };
    const sneaky = { type: "mail", data: { n: 1 }, userId: "bob", tenantId: "globex" };
    expect(await alice.sendEvent(sneaky)).toBe(1);
    await alice.emitter
      .emitAgentStarted("r-1", { agent: "a", ...{ userId: "bob", tenantId: "globex" } })
      .catch(() => {});
    await expect(bob.emitter.emitAgentThinking("r-1")).rejects.toThrow();
    await expect(bob.emitter.emitAgentStarted("r-1", { agent: "a" })).rejects.toMatchObject({ _tag: "RunExists" });
    expect(await bob.sendEvent(event)).toBe(1);
    expect(tabs.alice.types()).toEqual(["x.mail", "agent_started"]);
    expect(tabs.bob.types()).toEqual(["x.mail"]);
    expect([tabs.foreign.types(), tabs.namesake.types()]).toEqual([[], []]);
  });
});

describe("an old name", () => {
  it("counts each call in a metric", async () => {
    const runcast = await open();
    const context = { runcast, userId: "alice" };
    expect(metric(runcast)).not.toContain("runcast_facade_calls_total{");
    for (let call = 0; call < 3; call += 1) await broadcastUserEvent(event, context);
    createWebSocketManager(context);
    const text = metric(runcast);
    expect(text).toContain('runcast_facade_calls_total{name="broadcastUserEvent"} 3\n');
    expect(text).toContain('runcast_facade_calls_total{name="createWebSocketManager"} 1\n');
  });

  it("keeps the metric small, whatever names it is told", async () => {
    const runcast = await open();
    for (let name = 0; name < 1_000; name += 1) runcast.noteFacadeCall(`name-${name}`);
    expect(metric(runcast).match(/runcast_facade_calls_total\{/g)?.length).toBeLessThan(100);
    expect(metric(runcast)).toContain('runcast_facade_calls_total{name="other"} ');
  });
});
