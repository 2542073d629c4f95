import { describe, expect, it } from "vitest";
import type { UserCommand } from "../../src/runtime/options.ts";
import { suspended } from "../support/events.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

describe("a command", () => {
  it("cancels a run", async () => {
    const { start, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    tab.say({ type: "command", ref: "1", name: "cancel_run", runId, data: { reason: "stop" } });
    await settle();
    expect(tab.of("reply")).toEqual([{ type: "reply", ref: "1", ok: true, data: {} }]);
    expect(tab.events().at(-1)).toMatchObject({ type: "cancel_requested", data: { by: "user", reason: "stop" } });
  });

  it("answers an approval once", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, [suspended("p")]);
    for (const ref of [1, 2])
      tab.say({ type: "command", ref, name: "resolve_approval", data: { approvalId: "p", decision: "deny" } });
    await settle();
    expect(tab.of("reply")).toMatchObject([
      { ref: 1, ok: true, data: { approvalId: "p", decision: "deny" } },
      { ref: 2, ok: false, error: { code: "already_resolved" } },
    ]);
  });

  it("hands a message to the application and its answer back", async () => {
    const heard: UserCommand[] = [];
    const { connect, settle } = await runtimeUnderTest({
      onCommand: async (command) => {
        heard.push(command);
        return { runId: "r9" };
      },
    });
    const tab = await connect("alice@acme");
    tab.say({ type: "command", ref: "m", name: "send_message", threadId: "t", data: { text: "hello" } });
    await settle();
    expect(tab.of("reply")).toEqual([{ type: "reply", ref: "m", ok: true, data: { runId: "r9" } }]);
    expect(heard).toMatchObject([{ userId: "alice", tenantId: "acme", threadId: "t", data: { text: "hello" } }]);
  });

  it("leads the application to no run but the user's own: a foreign one is answered as a missing one (L8)", async () => {
    const heard: unknown[] = [];
    const { connect, start, settle } = await runtimeUnderTest({
      onCommand: async ({ runId }) => {
        heard.push(runId);
        return {};
      },
    });
    const mine = await start({ userId: "alice" });
    const theirs = await start({ userId: "bob" });
    const tab = await connect("alice");
    for (const [ref, runId] of [mine.runId, theirs.runId, "no-such-run"].entries())
      tab.say({ type: "command", ref, name: "send_message", runId, data: { text: "hello" } });
    await settle();
    const error = { code: "not_found", message: "no such run" };
    expect(tab.of("reply")).toEqual([
      { type: "reply", ref: 0, ok: true, data: {} },
      { type: "reply", ref: 1, ok: false, error },
      { type: "reply", ref: 2, ok: false, error },
    ]);
    expect(heard).toEqual([mine.runId]);
  });

  it("of no known name, or for nobody, is refused by name", async () => {
    const { connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice");
    tab.say({ type: "command", ref: 1, name: "fly" });
    tab.say({ type: "command", ref: 2, name: "send_message", data: { text: "hello" } });
    await settle();
    for (const reply of tab.of("reply")) expect(reply).toMatchObject({ ok: false, error: { code: "unknown_command" } });
    expect(tab.of("reply")).toHaveLength(2);
    expect(tab.transport.ended).toBeUndefined();
  });

  it("that is malformed or about a foreign run leaves the connection open", async () => {
    const { start, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice");
    const { runId } = await start({ userId: "bob" });
    tab.say({ type: "command", ref: 1, name: "cancel_run" });
    tab.say({ type: "command", ref: 2, name: "cancel_run", runId: runId as never, data: { deadline: 1 } });
    tab.say({ type: "command", ref: 3, name: "cancel_run", runId: runId as never });
    tab.say({ type: "command", ref: 4, name: "cancel_run", runId: "never-made" as never });
    tab.say({ type: "command", ref: 5, name: "resolve_approval", data: { approvalId: 7 } });
    await settle();
    const replies = new Map(tab.of("reply").map(({ ref, error }) => [ref, error]));
    expect([1, 2, 3, 4, 5].map((ref) => replies.get(ref)?.code)).toEqual([
      "invalid",
      "invalid",
      "not_found",
      "not_found",
      "invalid",
    ]);
    // The same words for a foreign run as for a missing one.
    expect(replies.get(3)).toEqual(replies.get(4));
    expect(tab.transport.ended).toBeUndefined();
  });

  it("whose handler throws says so and tells nothing more", async () => {
    const { connect, settle } = await runtimeUnderTest({ onCommand: () => Promise.reject(new Error("secret detail")) });
    const tab = await connect("alice");
    tab.say({ type: "command", ref: 1, name: "send_message", data: {} });
    await settle();
    expect(tab.of("reply")).toMatchObject([{ ref: 1, ok: false, error: { code: "command_failed" } }]);
    expect(JSON.stringify(tab.frames)).not.toContain("secret");
  });
});
