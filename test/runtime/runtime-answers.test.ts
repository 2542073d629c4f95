import { describe, expect, it } from "vitest";
import { asRunId, defaultTenant } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { completed, delta, note, thinking } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

/** What may wait in the process for the network. */
const maxBufferedBytes = 131_072;

describe("a runtime", () => {
  it("counts a notice that names somebody else", async () => {
    const { call, parts } = await runtimeUnderTest();
    const body = { userId: "alice", type: "x.mail", data: { userId: "bob" } } as const;
    await expect(call(parts.service.notify(publisher, body))).rejects.toMatchObject({ _tag: "Contaminated" });
    expect(parts.service.stats()).toMatchObject({ contaminationRefused: 1, eventsAccepted: 0 });
  });

  it("tells its operator of a heartbeat that threw, and keeps the deadlines of all", async () => {
    const lines: unknown[] = [];
    const journal: RuntimeOptions["journal"] = { write: (...line) => void lines.push(line) };
    const { connect, clock, start, publish, settle } = await runtimeUnderTest({
      journal,
      heartbeatMs: 5_000,
      leaseMs: 20_000,
    });
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    const cause = new Error("no such socket");
    tab.transport.bufferedBytes = maxBufferedBytes;
    await publish(runId, 1, [note()]);
    await settle();
    Object.defineProperty(tab.transport, "bufferedBytes", {
      get: () => {
        throw cause;
      },
    });
    await clock.advance(21_000);
    expect(lines).toContainEqual(["error", "heartbeat.failed", { cause }]);
    expect(tab.of("status")).toEqual([{ type: "status", run: { runId, stalled: true } }]);
  });

  it("begins no other work on the store once it is stopped, whatever was under way", async () => {
    const shared = memoryLog();
    const gate = Promise.withResolvers<void>();
    const asked: string[] = [];
    const retire: typeof shared.retire = async (terms) => {
      asked.push("retire");
      await gate.promise;
      return shared.retire(terms);
    };
    const compact: typeof shared.compact = (terms) => {
      asked.push("compact");
      return shared.compact(terms);
    };
    const { clock, call, parts, settle } = await runtimeUnderTest({ log: { ...shared, retire, compact } });
    await clock.advance(2 * 3_600_000);
    expect(asked).toEqual(["retire"]);
    await call(parts.service.drain);
    gate.resolve();
    await settle();
    expect(asked).toEqual(["retire"]);
  });

  it("dates what is said in the first milliseconds of its clock", async () => {
    const { start, call, parts } = await runtimeUnderTest({ clock: manualClock(1) });
    const { runId } = await start();
    const view = await call(parts.service.runEvents(publisher, undefined, asRunId(runId), { after: 0, limit: 1 }));
    expect(view.events).toMatchObject([{ time: "1970-01-01T00:00:00.001Z" }]);
  });
});

describe("a run that is found while the answer to its start is under way", () => {
  it("has one desk, and goes on where it stands", async () => {
    const shared = memoryLog();
    const gate = Promise.withResolvers<void>();
    let isHeld = true;
    const append: typeof shared.append = async (one) => {
      const answer = await shared.append(one);
      if (isHeld) await gate.promise;
      return answer;
    };
    const { start, publish, settle, parts } = await runtimeUnderTest({ log: { ...shared, append } });
    const started = start({ runId: "r1" });
    await settle();
    isHeld = false;
    expect(await publish("r1", 1, [thinking])).toMatchObject({ seq: 2 });
    gate.resolve();
    expect(await started).toMatchObject({ runId: "r1", fence: 1, seq: 1 });
    expect(parts.service.stats().livingRuns).toBe(1);
    expect(await publish("r1", 1, [delta("x")])).toMatchObject({ seq: 3 });
  });
});

describe("a parent", () => {
  async function family() {
    const shared = memoryLog();
    const log = faultyLog(shared);
    const made = await runtimeUnderTest({ log, leaseMs: 600_000 });
    await made.start({ runId: "parent" });
    const child = (agent = "c") => made.start({ runId: "child", parentRunId: "parent", agent });
    const end = () => made.publish("parent", 1, [completed]);
    return { ...made, log, shared, child, end };
  }

  it("waits for a child that was started twice", async () => {
    const { child, end, publish } = await family();
    await child();
    await child();
    await expect(end()).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await publish("child", 1, [completed]);
    expect(await end()).toMatchObject({ seq: 2 });
  });

  it("does not wait for a child that was never made", async () => {
    const { child, end, start } = await family();
    await start({ runId: "child", agent: "somebody else" });
    await expect(child()).rejects.toMatchObject({ _tag: "RunExists" });
    expect(await end()).toMatchObject({ seq: 2 });
  });

  it("waits for a child whose making lost its answer, once it is known that it was made", async () => {
    const { child, end, log, clock } = await family();
    log.failAppend("after");
    await expect(child()).rejects.toMatchObject({ _tag: "LogUnavailable" });
    await clock.advance(60_000);
    await expect(end()).rejects.toMatchObject({ _tag: "IllegalTransition" });
  });

  it("waits for a child that another process has claimed", async () => {
    const { child, end, shared, publish } = await family();
    await child();
    await shared.claim(defaultTenant, asRunId("child"));
    await expect(publish("child", 1, [note()])).rejects.toMatchObject({ _tag: "Fenced" });
    await expect(end()).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await publish("child", 2, [completed]);
    expect(await end()).toMatchObject({ seq: 2 });
  });
});

describe("a reader", () => {
  it("whose network holds all it may hold gets nothing more, and goes on once it has taken some", async () => {
    const { connect, start, publish, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    tab.transport.bufferedBytes = maxBufferedBytes;
    await publish(runId, 1, [note()]);
    await settle();
    expect(tab.events()).toHaveLength(1);
    tab.transport.bufferedBytes = 0;
    tab.say({ type: "ack", offset: 1 });
    await settle();
    expect(tab.events()).toHaveLength(2);
  });

  it("keeps what it has acknowledged when an older ack comes late", async () => {
    const { connect, start, publish, call, parts, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start", device: "d" });
    const { runId } = await start();
    await publish(runId, 1, [note(), note()]);
    await settle();
    const body = { userId: "alice", type: "x.mail", data: {}, ackWaitMs: 60_000 } as const;
    const notice = call(parts.service.notify(publisher, body));
    await settle();
    tab.say({ type: "ack", offset: 4 });
    tab.say({ type: "ack", offset: 2 });
    expect(await notice).toMatchObject({ acknowledged: 1 });
    expect(await call(parts.service.ledger(publisher, {}))).toMatchObject({ acked: 4, stored: 0 });
  });

  it("that left while the log was read for it gets nothing of that", async () => {
    const shared = memoryLog();
    const writer = await runtimeUnderTest({ log: shared });
    const { runId } = await writer.start();
    await writer.publish(runId, 1, [note()]);
    const gate = Promise.withResolvers<void>();
    const read: typeof shared.read = (...which) => gate.promise.then(() => shared.read(...which));
    const { connect, settle } = await runtimeUnderTest({ log: { ...shared, read } });
    const tab = await connect("alice", { from: "start" });
    tab.connection.closed();
    gate.resolve();
    await settle();
    expect(tab.events()).toEqual([]);
  });
});
