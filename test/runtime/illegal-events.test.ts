import { describe, expect, it } from "vitest";
import type { QuarantineEntry } from "../../src/log/dead-letter.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { completed, delta, executed, executing, keyed, note, thinking } from "../support/events.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

/** A memory log that tells what it was given to keep apart. */
function quarantineLog() {
  const log = memoryLog();
  const apart: QuarantineEntry[] = [];
  return { apart, log: { ...log, quarantine: async (entry: QuarantineEntry) => void apart.push(entry) } };
}

describe("onIllegal: reject", () => {
  it("names the place in the batch as it was said, also behind events that were known", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    const known = keyed("k", note());
    await publish(runId, 1, [known]);
    const refused = publish(runId, 1, [known, note(), executed("nobody-made-it")]);
    await expect(refused).rejects.toMatchObject({ _tag: "IllegalTransition", index: 2, event: "tool_completed" });
  });
});

describe("onIllegal: repair", () => {
  it("writes the steps that were left out, each marked, and counts them", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start({ onIllegal: "repair", profile: "strict" });
    const answer = await publish(runId, 1, [executed("c1")]);
    expect(answer).toEqual({ seq: 4, offset: 4, duplicates: 0, repaired: 2 });
    await settle();
    const written = tab.events().slice(1) as readonly { readonly type: string; readonly repaired?: true }[];
    expect(written.map(({ type, repaired }) => [type, repaired])).toEqual([
      ["agent_thinking", true],
      ["tool_executing", true],
      ["tool_completed", undefined],
    ]);
  });

  it("completes a run whose calls were never closed", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start({ onIllegal: "repair" });
    const answer = await publish(runId, 1, [executing("c1"), completed]);
    expect(answer).toEqual({ seq: 4, offset: 4, duplicates: 0, repaired: 1 });
    await expect(publish(runId, 1, [note()])).rejects.toMatchObject({ _tag: "RunEnded" });
  });

  it("refuses what no step heals, and takes back the steps before it", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start({ onIllegal: "repair" });
    const healedThenNot = [executed("c1"), { type: "agent_resumed", data: {} }];
    await expect(publish(runId, 1, healedThenNot)).rejects.toMatchObject({ _tag: "IllegalTransition", index: 1 });
    expect(await publish(runId, 1, [executed("c1")])).toMatchObject({ seq: 3, repaired: 1 });
  });

  it("gives a retry of a repaired event the same place", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start({ onIllegal: "repair" });
    const said = [keyed("k", executed("c1"))];
    const { seq, offset } = await publish(runId, 1, said);
    expect(await publish(runId, 1, said)).toEqual({ seq, offset, duplicates: 1 });
  });
});

describe("onIllegal: quarantine", () => {
  it("keeps the illegal apart with its reason and writes the rest", async () => {
    const { log, apart } = quarantineLog();
    const { start, publish, connect, settle } = await runtimeUnderTest({ log });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start({ onIllegal: "quarantine" });
    const answer = await publish(runId, 1, [thinking, executed("c9"), delta("x")]);
    expect(answer).toEqual({ seq: 3, offset: 3, duplicates: 0, quarantined: 1 });
    await settle();
    expect(tab.events().map(({ type }) => type)).toEqual(["agent_started", "agent_thinking", "agent_delta"]);
    expect(apart).toMatchObject([
      { runId, type: "tool_completed", reason: expect.stringContaining("c9 was never announced") },
    ]);
  });

  it("answers when nothing is left to write", async () => {
    const { log, apart } = quarantineLog();
    const { start, publish } = await runtimeUnderTest({ log });
    const { runId } = await start({ onIllegal: "quarantine" });
    expect(await publish(runId, 1, [executed("c9")])).toEqual({ seq: 1, offset: 1, duplicates: 0, quarantined: 1 });
    expect(await publish(runId, 1, [completed, note()])).toEqual({ seq: 2, offset: 2, duplicates: 0, quarantined: 1 });
    expect(apart).toHaveLength(2);
  });

  it("does not say that it kept what it could not keep", async () => {
    const log = memoryLog();
    const { start, publish } = await runtimeUnderTest({
      log: { ...log, quarantine: () => Promise.reject(new Error("no room")) },
    });
    const { runId } = await start({ onIllegal: "quarantine" });
    await expect(publish(runId, 1, [executed("c9")])).rejects.toThrow();
    await expect(publish(runId, 1, [thinking, executed("c9")])).rejects.toThrow();
  });
});

describe("an event after the end (L2)", () => {
  it("is refused and kept apart, never shown", async () => {
    const { log, apart } = quarantineLog();
    const { start, publish, connect, settle } = await runtimeUnderTest({ log });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, [completed]);
    await expect(publish(runId, 1, [delta("late")])).rejects.toMatchObject({ _tag: "RunEnded" });
    await settle();
    expect(tab.events().map(({ type }) => type)).toEqual(["agent_started", "agent_completed"]);
    expect(apart).toMatchObject([{ runId, type: "agent_delta", reason: expect.stringContaining("completed") }]);
  });

  it("is not kept for a writer who has no right to say it", async () => {
    const { log, apart } = quarantineLog();
    const { start, publish } = await runtimeUnderTest({ log });
    const { runId } = await start();
    await publish(runId, 1, [completed]);
    await expect(publish(runId, 7, [delta("foreign")])).rejects.toMatchObject({ _tag: "RunEnded" });
    expect(apart).toEqual([]);
  });
});
