import { describe, expect, it } from "vitest";
import { asRunId, asTenantId } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { completed, delta, executing, keyed, note, thinking } from "../support/events.ts";
import type { Fault } from "../support/faulty-log.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

const tenant = asTenantId("default");
const faults: readonly Fault[] = ["before", "after"];

async function world() {
  const log = faultyLog(memoryLog());
  const made = await runtimeUnderTest({ log });
  const { runId } = await made.start({ runId: "r1" });
  return { ...made, log, runId };
}

describe("a write whose outcome is unknown", () => {
  it.each(faults)("is settled by repeating it with the same keys (lost %s the disk)", async (fault) => {
    const { publish, log, runId, connect, settle } = await world();
    const tab = await connect("alice", { from: "start" });
    const said = [keyed("a", thinking), keyed("b", delta("x"))];
    log.failAppend(fault);
    await expect(publish(runId, 1, said)).rejects.toMatchObject({ _tag: "LogUnavailable" });
    const duplicates = fault === "after" ? 2 : 0;
    expect(await publish(runId, 1, said)).toEqual({ seq: 3, offset: 3, duplicates });
    expect(await publish(runId, 1, [completed])).toMatchObject({ seq: 4 });
    await settle();
    expect(tab.events().map(({ offset }) => offset)).toEqual([1, 2, 3, 4]);
  });

  it("is looked for by those who follow the stream, when nobody rang for it (I12)", async () => {
    const faulty = faultyLog(memoryLog());
    let isMute = false;
    const mute: typeof faulty = {
      ...faulty,
      watch: (listener) => faulty.watch((bell) => void (isMute || listener(bell))),
      append: (append) => faulty.append(append).finally(() => faulty.setDown(isMute)),
    };
    const { publish, start, connect, settle, clock } = await runtimeUnderTest({ log: mute });
    const { runId } = await start({ runId: "r1" });
    const tab = await connect("alice", { from: "start" });
    isMute = true;
    faulty.failAppend("after");
    await expect(publish(runId, 1, [delta("x")])).rejects.toMatchObject({ _tag: "LogUnavailable" });
    await settle();
    expect(tab.events().map(({ offset }) => offset)).toEqual([1]);
    faulty.setDown(false);
    await clock.advance(1_100);
    await settle();
    expect(tab.events().map(({ offset }) => offset)).toEqual([1, 2]);
  });

  it.each(faults)("does not let a batch behind it jump the queue (lost %s the disk)", async (fault) => {
    const { publish, log, runId, settle } = await world();
    log.failAppend(fault);
    const first = publish(runId, 1, [keyed("a", executing("c1"))]);
    first.catch(() => {});
    // Another turn, so another append; it is under way when the first one's failure is heard.
    await Promise.resolve();
    await Promise.resolve();
    const second = publish(runId, 1, [keyed("b", delta("x"))]);
    const [one, two] = await Promise.allSettled([first, second]);
    expect(one).toMatchObject({ status: "rejected", reason: { _tag: "LogUnavailable" } });
    if (two.status === "rejected") expect(two.reason).toMatchObject({ _tag: "LogUnavailable" });
    await settle();
    await publish(runId, 1, [keyed("a", executing("c1"))]);
    await publish(runId, 1, [keyed("b", delta("x"))]);
    const events = await log.readRun(tenant, asRunId(runId), 0, { maxEvents: 9, maxBytes: 9_999 });
    expect(events.map(({ type }) => type)).toEqual(["agent_started", "tool_executing", "agent_delta"]);
  });

  it.each(faults)("of a terminal ends the run once (lost %s the disk)", async (fault) => {
    const { publish, log, runId } = await world();
    const said = [keyed("end", completed)];
    log.failAppend(fault);
    await expect(publish(runId, 1, said)).rejects.toMatchObject({ _tag: "LogUnavailable" });
    expect(await publish(runId, 1, said)).toMatchObject({ seq: 2, offset: 2 });
    await expect(publish(runId, 1, [note()])).rejects.toMatchObject({ _tag: "RunEnded" });
    expect(await log.ledger()).toMatchObject({ accepted: 2 });
  });

  it("is never told as a conflict to a writer who named no seq", async () => {
    const { publish, log, runId } = await world();
    log.failAppend("before");
    const answers = await Promise.allSettled(
      Array.from({ length: 30 }, async (_, index) => {
        for (let turn = 0; turn < index % 5; turn += 1) await Promise.resolve();
        return publish(runId, 1, [keyed(`${index}`, note())]);
      }),
    );
    for (const answer of answers)
      if (answer.status === "rejected") expect(answer.reason).toMatchObject({ _tag: "LogUnavailable" });
    for (let index = 0; index < answers.length; index += 1) await publish(runId, 1, [keyed(`${index}`, note())]);
    expect(await log.ledger()).toMatchObject({ accepted: 31 });
  });

  it("keeps the machine where the log is, whichever it was", async () => {
    const { publish, log, runId } = await world();
    log.failAppend("before");
    await expect(publish(runId, 1, [executing("c1")])).rejects.toMatchObject({ _tag: "LogUnavailable" });
    // It never ran: nothing is open that would keep the run from completing.
    expect(await publish(runId, 1, [completed])).toMatchObject({ seq: 2 });
  });
});

describe("a log that is down", () => {
  it("refuses with 503 and takes everything again when it is back", async () => {
    const { publish, start, connect, log, runId, settle, clock } = await world();
    const tab = await connect("alice", { from: "start" });
    log.setDown(true);
    await expect(start()).rejects.toMatchObject({ _tag: "LogUnavailable" });
    for (let round = 0; round < 5; round += 1)
      await expect(publish(runId, 1, [keyed("k", note())])).rejects.toMatchObject({ _tag: "LogUnavailable" });
    await clock.advance(5_000);
    log.setDown(false);
    await clock.advance(1_000);
    expect(await publish(runId, 1, [keyed("k", note())])).toEqual({ seq: 2, offset: 2, duplicates: 0 });
    await settle();
    expect(tab.events().map(({ offset }) => offset)).toEqual([1, 2]);
    expect(tab.transport.ended).toBeUndefined();
  });

  it("keeps the acks that came meanwhile, and saves them when it is back", async () => {
    const { publish, connect, log, runId, settle, clock } = await world();
    const tab = await connect("alice", { from: "start" });
    await publish(runId, 1, [note()]);
    await settle();
    log.setDown(true);
    tab.say({ type: "ack", offset: 2 });
    await clock.advance(2_000);
    log.setDown(false);
    await clock.advance(1_000);
    expect(await log.ledger()).toMatchObject({ acked: 2, stored: 0 });
  });
});

describe("the ledger", () => {
  it("balances through failures, acks, resumes and restarts (L10)", async () => {
    const log = faultyLog(memoryLog());
    let world = await runtimeUnderTest({ log });
    const ledger = async () =>
      world.call(world.parts.service.ledger({ kind: "publisher", name: "a", tenants: "*", rights: ["admin"] }, {}));
    const { runId, epoch } = await world.start();
    let seen = 0;
    for (let round = 0; round < 30; round += 1) {
      if (round % 3 === 0) log.failAppend(round % 2 === 0 ? "before" : "after");
      await world.publish(runId, 1, [keyed(`${round}`, note())]).catch(() => {});
      if (round % 10 === 9) world = await runtimeUnderTest({ log });
      const tab = await world.connect("alice", { cursor: { epoch: epoch as never, offset: seen }, device: "d" });
      seen = tab.events().at(-1)?.offset ?? seen;
      if (round % 4 === 0) tab.say({ type: "ack", offset: seen });
      tab.connection.closed();
      const { accepted, acked, difference } = await ledger();
      expect(difference).toBe(0);
      expect(acked).toBeLessThanOrEqual(accepted);
    }
    const tab = await world.connect("alice", { cursor: { epoch: epoch as never, offset: seen } });
    tab.say({ type: "ack", offset: tab.of("welcome")[0]?.head ?? 0 });
    const { accepted, acked, stored, deadLettered, difference } = await ledger();
    expect({ acked, stored, deadLettered, difference }).toEqual({
      acked: accepted,
      stored: 0,
      deadLettered: 0,
      difference: 0,
    });
  });
});
