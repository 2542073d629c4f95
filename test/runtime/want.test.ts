import { describe, expect, it } from "vitest";
import { completed, delta, note, thinking } from "../support/events.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

const heartbeatMs = 15_000;

/** Every frame's range begins where the last one ended (L4). */
function expectDense(ranges: readonly { readonly after: number; readonly upto: number }[], start: number): void {
  let at = start;
  for (const { after, upto } of ranges) {
    expect(after).toBe(at);
    expect(upto).toBeGreaterThan(after);
    at = upto;
  }
}

describe("a filter", () => {
  it("by type lets those pass and covers the rest", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start", want: { types: ["agent_started", "agent_completed"] } });
    const { runId } = await start();
    await publish(runId, 1, [thinking, delta("x")]);
    await publish(runId, 1, [completed]);
    await settle();
    expect(tab.events().map(({ type, offset }) => [type, offset])).toEqual([
      ["agent_started", 1],
      ["agent_completed", 4],
    ]);
    expectDense(tab.of("events"), 0);
    expect(tab.of("events").at(-1)?.upto).toBe(4);
  });

  it("by thread lets those runs pass, and no notice", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start", want: { threads: ["t1"] } });
    const one = await start({ threadId: "t1" });
    const two = await start({ threadId: "t2" });
    const none = await start();
    for (const { runId } of [one, two, none]) await publish(runId, 1, [note()]);
    await settle();
    expect(tab.events().map(({ runId }) => runId)).toEqual([one.runId, one.runId]);
  });

  it("by thread holds for the snapshot too: what will not be told on is not begun", async () => {
    const { start, connect } = await runtimeUnderTest();
    await start({ runId: "r1", threadId: "t1" });
    await start({ runId: "r2", threadId: "t2" });
    await start({ runId: "r3" });
    const tab = await connect("alice", { want: { threads: ["t1"] } });
    expect(tab.of("snapshot")[0]).toMatchObject({ at: 3, runs: [{ runId: "r1" }] });
    expect(tab.of("snapshot")[0]?.runs).toHaveLength(1);
  });

  it("that lets nothing pass is told with the heartbeat how far the stream has come", async () => {
    const { start, publish, connect, clock } = await runtimeUnderTest({ heartbeatMs, leaseMs: 3_600_000 });
    const tab = await connect("alice", { from: "start", want: { types: ["x.never"] } });
    const { runId } = await start();
    await publish(
      runId,
      1,
      Array.from({ length: 20 }, () => note()),
    );
    await clock.advance(heartbeatMs + 1_000);
    expect(tab.of("events")).toMatchObject([{ after: 0, upto: 21, events: [] }]);
    await clock.advance(10 * heartbeatMs);
    expect(tab.of("events")).toHaveLength(1);
    tab.say({ type: "ack", offset: 21 });
    await clock.advance(1_000);
  });

  it("costs no window for what it keeps back", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: 2 });
    const tab = await connect("alice", { from: "start", want: { types: ["agent_completed"] } });
    const { runId } = await start();
    for (let round = 0; round < 50; round += 1) await publish(runId, 1, [note()]);
    await publish(runId, 1, [completed]);
    await settle();
    expect(tab.events().map(({ offset }) => offset)).toEqual([52]);
  });

  it("of two tabs does not disturb the one without", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const all = await connect("alice", { from: "start" });
    const some = await connect("alice", { from: "start", want: { types: ["agent_delta"] } });
    const { runId } = await start();
    for (let round = 0; round < 10; round += 1) await publish(runId, 1, [note(), delta(`${round}`)]);
    await settle();
    expect(all.events()).toHaveLength(21);
    expect(some.events()).toHaveLength(10);
    expectDense(all.of("events"), 0);
    expectDense(some.of("events"), 0);
  });
});
