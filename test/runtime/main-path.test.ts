import { describe, expect, it } from "vitest";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

const delta = (text: string) => ({ type: "agent_delta", data: { messageId: "m1", channel: "text", text } });

describe("the main path", () => {
  it("brings a run's events to its user, in order, one frame per commit", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice");
    const { runId, fence } = await start();
    const sent = [
      { type: "agent_thinking", data: { thought: "hm" } },
      { type: "tool_executing", data: { toolCallId: "c1", toolName: "add", args: { a: 1 } } },
      { type: "tool_completed", data: { toolCallId: "c1", status: "ok", result: 2 } },
      delta("It is "),
      delta("2."),
      { type: "agent_completed", data: { output: "2" } },
    ];
    const answer = await publish(runId, fence, sent);
    await settle();
    expect(answer).toEqual({ seq: 7, offset: 7, duplicates: 0 });
    expect(tab.events().map(({ type }) => type)).toEqual(["agent_started", ...sent.map(({ type }) => type)]);
    expect(tab.events().map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(tab.of("events").map(({ after, upto }) => [after, upto])).toEqual([
      [0, 1],
      [1, 7],
    ]);
  });

  it("gives a tab that comes in the middle a snapshot and the tail", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const { runId, fence } = await start({ threadId: "t1" });
    await publish(runId, fence, [{ type: "agent_thinking", data: {} }, delta("Hel"), delta("lo")]);
    const tab = await connect("alice");
    await publish(runId, fence, [delta("!")]);
    await settle();
    expect(tab.of("welcome")[0]).toMatchObject({ resumed: "snapshot", head: 4 });
    expect(tab.of("snapshot")[0]).toMatchObject({
      at: 4,
      runs: [{ runId, threadId: "t1", state: "thinking", seq: 4, messages: [{ messageId: "m1", text: "Hello" }] }],
    });
    expect(tab.of("events")[0]).toMatchObject({ after: 4, upto: 5 });
  });

  it("resumes at a cursor with exactly what was missed", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const first = await connect("alice", { from: "start" });
    const { runId, fence, epoch } = await start();
    await publish(runId, fence, [delta("a"), delta("b")]);
    await settle();
    first.connection.closed();
    await publish(runId, fence, [delta("c"), delta("d")]);
    const second = await connect("alice", { cursor: { epoch: epoch as never, offset: 3 } });
    expect(second.of("welcome")[0]).toMatchObject({ resumed: "replayed", head: 5 });
    expect(second.events().map(({ offset }) => offset)).toEqual([4, 5]);
  });

  it("shows nobody else's run", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const bob = await connect("bob", { from: "start" });
    const { runId, fence } = await start({ userId: "alice" });
    await publish(runId, fence, [delta("secret")]);
    await settle();
    expect(bob.frames.map(({ type }) => type)).toEqual(["welcome"]);
  });
});
