import { describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import { delta, note } from "../support/events.ts";
import type { TestConnection } from "../support/runtime-under-test.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

const offsets = (tab: TestConnection): readonly number[] => tab.events().map(({ offset }) => offset);

describe("a reader that replays", () => {
  it("gets no more bytes at once than its window holds", async () => {
    const log = memoryLog();
    const writer = await runtimeUnderTest({ log });
    const { runId } = await writer.start();
    const text = "x".repeat(1_500);
    await writer.publish(
      runId,
      1,
      Array.from({ length: 20 }, () => note({ text })),
    );
    const { connect, settle } = await runtimeUnderTest({ log, windowBytes: 8_000 });
    const tab = await connect("alice", { from: "start" });
    await settle();
    expect(offsets(tab).length).toBeGreaterThan(3);
    expect(offsets(tab).length).toBeLessThan(8);
    for (let round = 0; round < 20; round += 1) {
      tab.say({ type: "ack", offset: offsets(tab).at(-1) ?? 0 });
      await settle();
    }
    expect(offsets(tab)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
  });
});

describe("a reader whose window was full", () => {
  it("gets what it fell behind by as one delta, at the first ack", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: 5 });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(
      runId,
      1,
      Array.from({ length: 9 }, (_, index) => delta(`${index}`)),
    );
    await settle();
    expect(offsets(tab)).toEqual([1, 2, 3, 4, 5]);
    tab.say({ type: "ack", offset: 5 });
    await settle();
    expect(tab.events().slice(5)).toMatchObject([{ offset: 10, data: { text: "45678" } }]);
  });

  it("hears of new events at once when it has caught up", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: 2 });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    for (let round = 0; round < 4; round += 1) await publish(runId, 1, [note()]);
    await settle();
    expect(offsets(tab)).toEqual([1, 2]);
    tab.say({ type: "ack", offset: 2 });
    await settle();
    tab.say({ type: "ack", offset: 4 });
    await settle();
    tab.say({ type: "ack", offset: 5 });
    await publish(runId, 1, [note()]);
    await settle();
    expect(offsets(tab)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
