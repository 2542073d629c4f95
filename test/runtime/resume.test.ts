import { describe, expect, it } from "vitest";
import type { Epoch } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { startOf } from "../../src/runtime/resume.ts";
import { completed, delta, note } from "../support/events.ts";
import type { TestConnection } from "../support/runtime-under-test.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";
import { trimmedLog } from "../support/trimmed-log.ts";

/** A stream that stands at 6: a living run of four events and one that has ended. */
async function sixEvents(log = trimmedLog(memoryLog())) {
  const world = await runtimeUnderTest({ log });
  const living = await world.start({ runId: "living" });
  const ended = await world.start({ runId: "ended" });
  await world.publish("ended", 1, [completed]);
  await world.publish("living", 1, [delta("a"), delta("b"), delta("c")]);
  return { ...world, log, epoch: living.epoch as Epoch, ended };
}

const offsets = (tab: TestConnection): readonly number[] => tab.events().map(({ offset }) => offset);
const names = (tab: TestConnection): readonly string[] => tab.frames.map(({ type }) => type);

describe("resuming", () => {
  it.each([0, 1, 5, 6])("after offset %i brings exactly the rest", async (offset) => {
    const { connect, epoch, publish, settle } = await sixEvents();
    const tab = await connect("alice", { cursor: { epoch, offset } });
    expect(tab.of("welcome")[0]).toMatchObject({ resumed: "replayed", head: 6, epoch });
    expect(offsets(tab)).toEqual([1, 2, 3, 4, 5, 6].slice(offset));
    await publish("living", 1, [note()]);
    await settle();
    const frames = tab.of("events");
    expect(frames[0]?.after).toBe(offset);
    expect(offsets(tab).at(-1)).toBe(7);
  });

  it("at the head is replayed with nothing to replay", async () => {
    const { connect, epoch } = await sixEvents();
    const tab = await connect("alice", { cursor: { epoch, offset: 6 } });
    expect(names(tab)).toEqual(["welcome"]);
  });

  it("three times in a row from one place brings the same thing", async () => {
    const { connect, epoch } = await sixEvents();
    for (let round = 0; round < 3; round += 1) {
      const tab = await connect("alice", { cursor: { epoch, offset: 2 } });
      expect(offsets(tab)).toEqual([3, 4, 5, 6]);
      tab.connection.closed();
    }
  });

  it("with a cursor of another epoch is a gap, then the state, then the tail", async () => {
    const { connect, publish, settle, epoch } = await sixEvents();
    const tab = await connect("alice", { cursor: { epoch: `${epoch}-older` as Epoch, offset: 3 } });
    await publish("living", 1, [note()]);
    await settle();
    expect(names(tab)).toEqual(["welcome", "gap", "snapshot", "events"]);
    expect(tab.of("welcome")[0]).toMatchObject({ resumed: "gap", epoch });
    expect(tab.of("gap")).toEqual([{ type: "gap", from: 1, upto: 6, reason: "epoch" }]);
    expect(tab.of("snapshot")[0]).toMatchObject({ at: 6, runs: [{ runId: "living", seq: 4 }] });
    expect(tab.of("events")[0]).toMatchObject({ after: 6, upto: 7 });
  });

  it("beyond the head is a gap, then the state, then the tail", async () => {
    const { connect, publish, settle, epoch } = await sixEvents();
    const tab = await connect("alice", { cursor: { epoch, offset: 7 } });
    await publish("living", 1, [note()]);
    await settle();
    expect(names(tab)).toEqual(["welcome", "gap", "snapshot", "events"]);
    expect(tab.of("gap")[0]).toMatchObject({ reason: "ahead", upto: 6 });
    expect(tab.of("events")[0]).toMatchObject({ after: 6, upto: 7 });
  });

  it("below what retention has kept declares what will not come, and brings what is left", async () => {
    const { connect, epoch, log } = await sixEvents();
    log.trimTo(4);
    const tab = await connect("alice", { cursor: { epoch, offset: 1 } });
    expect(names(tab)).toEqual(["welcome", "gap", "events"]);
    expect(tab.of("welcome")[0]?.resumed).toBe("gap");
    expect(tab.of("gap")).toEqual([{ type: "gap", from: 2, upto: 3, reason: "retention" }]);
    expect(tab.of("events")[0]).toMatchObject({ after: 3, upto: 6 });
  });

  it("at the edge of what retention has kept is no gap", async () => {
    const { connect, epoch, log } = await sixEvents();
    log.trimTo(4);
    const tab = await connect("alice", { cursor: { epoch, offset: 3 } });
    expect(names(tab)).toEqual(["welcome", "events"]);
    expect(offsets(tab)).toEqual([4, 5, 6]);
  });

  it("in a stream that retention has emptied declares all of it", async () => {
    const { connect, epoch, log, publish, settle } = await sixEvents();
    log.trimTo(7);
    const tab = await connect("alice", { cursor: { epoch, offset: 2 } });
    await publish("living", 1, [note()]);
    await settle();
    expect(tab.of("gap")).toEqual([{ type: "gap", from: 3, upto: 6, reason: "retention" }]);
    expect(tab.of("events")).toMatchObject([{ after: 6, upto: 7 }]);
  });

  it("with another user's cursor shows nothing of that user", async () => {
    const { connect, epoch } = await sixEvents();
    const tab = await connect("bob", { cursor: { epoch, offset: 2 } });
    expect(tab.of("welcome")[0]).toMatchObject({ resumed: "gap", head: 0 });
    expect(tab.of("snapshot")[0]?.runs).toEqual([]);
    expect(offsets(tab)).toEqual([]);
  });

  it("is the same after a restart on the same log", async () => {
    const { log, epoch } = await sixEvents();
    const after = await runtimeUnderTest({ log });
    const tab = await after.connect("alice", { cursor: { epoch, offset: 4 } });
    expect(tab.of("welcome")[0]?.resumed).toBe("replayed");
    expect(offsets(tab)).toEqual([5, 6]);
  });

  it("declares what retention takes away while a reader is behind", async () => {
    const log = trimmedLog(memoryLog());
    const { start, publish, connect, settle } = await runtimeUnderTest({ log, windowEvents: 2 });
    const { runId, epoch } = await start();
    await publish(
      runId,
      1,
      Array.from({ length: 9 }, () => note()),
    );
    const tab = await connect("alice", { cursor: { epoch: epoch as Epoch, offset: 0 } });
    expect(offsets(tab)).toEqual([1, 2]);
    log.trimTo(7);
    tab.say({ type: "ack", offset: 2 });
    await settle();
    expect(tab.of("gap")).toEqual([{ type: "gap", from: 3, upto: 6, reason: "retention" }]);
    expect(offsets(tab)).toEqual([1, 2, 7, 8]);
    expect(tab.of("events").at(-1)?.after).toBe(6);
  });

  it("acknowledges everything up to its cursor (FAULTS: a lost last ack)", async () => {
    const { connect, epoch, log, clock } = await sixEvents();
    await connect("alice", { cursor: { epoch, offset: 4 }, device: "laptop" });
    await clock.advance(1_000);
    expect(await log.ledger()).toMatchObject({ accepted: 6, acked: 4, stored: 2 });
  });
});

describe("beginning without a cursor", () => {
  it("is by default a snapshot of the living runs and then live", async () => {
    const { connect, publish, settle } = await sixEvents();
    for (const hello of [{}, { from: "active" as const }]) {
      const tab = await connect("alice", hello);
      expect(names(tab)).toEqual(["welcome", "snapshot"]);
      expect(tab.of("welcome")[0]?.resumed).toBe("snapshot");
      expect(tab.of("snapshot")[0]).toMatchObject({
        at: 6,
        runs: [
          {
            runId: "living",
            agent: "tester",
            state: "started",
            seq: 4,
            tools: [],
            approvals: [],
            messages: [{ text: "abc" }],
          },
        ],
      });
    }
    const tab = await connect("alice");
    const { at } = tab.of("snapshot")[0] ?? { at: 0 };
    await publish("living", 1, [note()]);
    await settle();
    expect(tab.of("events")[0]).toMatchObject({ after: at, upto: at + 1 });
  });

  it("from the start brings everything", async () => {
    const { connect } = await sixEvents();
    const tab = await connect("alice", { from: "start" });
    expect(tab.of("welcome")[0]?.resumed).toBe("fresh");
    expect(tab.of("events")[0]?.after).toBe(0);
    expect(offsets(tab)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("from the start of what is left declares what is not", async () => {
    const { connect, log } = await sixEvents();
    log.trimTo(5);
    const tab = await connect("alice", { from: "start" });
    expect(tab.of("gap")).toEqual([{ type: "gap", from: 1, upto: 4, reason: "retention" }]);
    expect(offsets(tab)).toEqual([5, 6]);
  });

  it("from now on brings what comes", async () => {
    const { connect, publish, settle } = await sixEvents();
    const tab = await connect("alice", { from: "now" });
    expect(tab.of("welcome")[0]).toMatchObject({ resumed: "fresh", head: 6 });
    await publish("living", 1, [note()]);
    await settle();
    expect(tab.of("events")).toMatchObject([{ after: 6, upto: 7 }]);
  });
});

describe("a snapshot", () => {
  it("and the tail meet without a seam while events pour in (L4)", async () => {
    const { start, publish, open, settle } = await runtimeUnderTest();
    const { runId } = await start();
    for (let round = 0; round < 30; round += 1) {
      const tab = await open();
      const writes = [publish(runId, 1, [delta("x")]), publish(runId, 1, [delta("y")])];
      tab.say({ type: "hello", token: "alice" });
      for (let turn = 0; turn < round; turn += 1) await Promise.resolve();
      writes.push(publish(runId, 1, [delta("z")]));
      await Promise.all(writes);
      await settle();
      const at = tab.of("snapshot")[0]?.at ?? 0;
      const head = 1 + 3 * (round + 1);
      expect(offsets(tab)).toEqual(Array.from({ length: head - at }, (_, index) => at + 1 + index));
      const snapshotText = tab.of("snapshot")[0]?.runs[0]?.messages[0]?.text ?? "";
      const tail = tab.events().map(({ data }) => (data as { text: string }).text);
      expect([snapshotText, ...tail].join("")).toHaveLength(head - 1);
    }
  });
});

describe("the start of a connection", () => {
  it("has one answer for every epoch, offset, head and first", () => {
    const epoch = "now" as Epoch;
    for (let head = 0; head <= 4; head += 1)
      for (let first = 1; first <= head + 1; first += 1)
        for (const cursorEpoch of [epoch, "then" as Epoch])
          for (let offset = 0; offset <= 6; offset += 1) {
            const start = startOf({ cursor: { epoch: cursorEpoch, offset } }, { epoch, head, first });
            const isReplayed = cursorEpoch === epoch && offset <= head && offset >= first - 1;
            expect(start.resumed).toBe(isReplayed ? "replayed" : "gap");
            if (isReplayed) expect(start).toMatchObject({ after: offset, ackedUpto: offset, snapshot: false });
            else expect(start.gap?.upto).toBe(start.after);
            // What cannot be trusted acknowledges nothing.
            if (cursorEpoch !== epoch || offset > head) expect(start).not.toHaveProperty("ackedUpto");
          }
  });
});
