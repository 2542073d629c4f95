import { describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import { maxBufferedBytes } from "../../src/runtime/outbox.ts";
import { delta, note } from "../support/events.ts";
import type { TestConnection } from "../support/runtime-under-test.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

const offsets = (tab: TestConnection): readonly number[] => tab.events().map(({ offset }) => offset);
const upTo = (head: number): readonly number[] => Array.from({ length: head }, (_, index) => index + 1);
/** An event's own fields beside its data. */
const envelopeBytes = 300;
const eventBytes = 1_000;
const pad = "x".repeat(eventBytes);

/** From now on the network takes nothing of what the connection is handed, until `drain`. */
function stall({ transport, connection }: TestConnection) {
  const write = transport.write.bind(transport);
  let isOpen = false;
  transport.write = (authority, frame) => {
    if (!isOpen) transport.bufferedBytes += frame.bytes.length;
    return write(authority, frame);
  };
  const drain = (): void => {
    transport.bufferedBytes = 0;
    connection.writable();
  };
  return {
    drain,
    end: () => {
      isOpen = true;
      drain();
    },
  };
}

describe("a reader that stands still (L11)", () => {
  it("is handed no more than its share of memory, and gets everything once it reads on", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest({ windowEvents: 100_000, windowBytes: 2 ** 30 });
    const tab = await connect("alice", { from: "start" });
    const network = stall(tab);
    const { runId } = await start();
    for (let round = 0; round < 40; round += 1)
      await publish(
        runId,
        1,
        Array.from({ length: 25 }, () => note({ pad })),
      );
    await settle();
    expect(tab.transport.bufferedBytes).toBeGreaterThan(maxBufferedBytes / 2);
    expect(tab.transport.bufferedBytes).toBeLessThan(maxBufferedBytes * (1 + envelopeBytes / eventBytes));
    network.end();
    await settle();
    expect(offsets(tab)).toEqual(upTo(1_001));
  });

  it("costs no memory of its stream: what it missed is read from the log, whole and in order", async () => {
    const log = memoryLog();
    let reads = 0;
    const counted = { ...log, read: (...call: Parameters<typeof log.read>) => ((reads += 1), log.read(...call)) };
    const { start, publish, connect, settle } = await runtimeUnderTest({ log: counted, windowEvents: 10 });
    const tab = await connect("alice", { from: "now" });
    const { runId } = await start();
    for (let round = 0; round < 20; round += 1) await publish(runId, 1, [note()]);
    await settle();
    expect([offsets(tab).length, reads]).toEqual([10, 0]);
    tab.say({ type: "ack", offset: 10 });
    await settle();
    expect([offsets(tab), reads > 0]).toEqual([upTo(20), true]);
  });

  it("takes nothing from its neighbour, who is served from memory all the while", async () => {
    const log = memoryLog();
    const counted = { ...log, read: () => Promise.reject(new Error("the neighbour needs no log")) };
    const { start, publish, connect, settle } = await runtimeUnderTest({ log: counted, windowEvents: 10 });
    const still = await connect("alice", { from: "now" });
    const neighbour = await connect("alice", { from: "now" });
    const { runId } = await start();
    for (let round = 0; round < 100; round += 1) {
      await publish(runId, 1, [note()]);
      await settle();
      neighbour.say({ type: "ack", offset: round + 2 });
    }
    await settle();
    expect([offsets(still).length, offsets(neighbour)]).toEqual([10, upTo(101)]);
  });
});

describe("a reader whose socket is full", () => {
  const letters = "abcdefghij".repeat(100);
  const world = async () => {
    const made = await runtimeUnderTest({ windowEvents: 100_000, windowBytes: 2 ** 30 });
    const { runId } = await made.start();
    // Of one message, and far more than a socket holds.
    for (const letter of letters) await made.publish(runId, 1, [{ ...delta(`${letter}${pad}`) }]);
    return { ...made, runId };
  };

  it("has its deltas one by one when the network takes them as fast as they come", async () => {
    const { open, settle } = await world();
    const tab = await open();
    const network = stall(tab);
    tab.say({ type: "hello", token: "alice", from: "start" });
    for (let turn = 0; turn < 50; turn += 1) {
      await settle();
      network.drain();
    }
    expect(offsets(tab)).toEqual(upTo(1 + letters.length));
  });

  it("has neighbouring deltas merged once it fell behind, and no lifecycle event with them (L9)", async () => {
    const { open, settle, publish, runId } = await world();
    const tab = await open();
    const network = stall(tab);
    tab.say({ type: "hello", token: "alice", from: "start" });
    await settle();
    const before = tab.events().length;
    const cycle = [
      { type: "tool_executing", data: { toolCallId: "c", toolName: "t" } },
      { type: "tool_completed", data: { toolCallId: "c", status: "ok" } },
      delta("!"),
      { type: "agent_completed", data: {} },
    ];
    await publish(runId, 1, cycle);
    network.end();
    await settle();
    const events = tab.events();
    const rest = events.slice(before);
    expect(rest.length).toBeLessThan(letters.length / 10);
    expect(rest.slice(-4).map(({ type }) => type)).toEqual([
      "tool_executing",
      "tool_completed",
      "agent_delta",
      "agent_completed",
    ]);
    const text = events.flatMap(({ data }) => (data as { text?: string }).text ?? "").join("");
    expect(text.replaceAll("x", "")).toBe(`${letters}!`);
    expect(offsets(tab).at(-1)).toBe(letters.length + 5);
  });
});
