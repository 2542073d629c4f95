import { describe, expect, it } from "vitest";
import { asRunId, defaultTenant } from "../../protocol/ids.ts";
import type { Append } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { completed, delta, keyed, note } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { publisher, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const leaseMs = 10_000;
const graceMs = 5_000;
/** One tick of the deadline wheel, for each of the two deadlines. */
const lateMs = 110;
const run = asRunId("r1");

/** A run whose appends can be read, and a log that others may write, too. */
async function world(body: { readonly mode?: "performance" } = {}) {
  const shared = memoryLog();
  const log = faultyLog(shared);
  const appends: Append[] = [];
  const { append } = log;
  log.append = (one) => {
    appends.push(one);
    return append(one);
  };
  const made = await runtimeUnderTest({ leaseMs, graceMs, log });
  await made.start({ runId: run, ...body });
  const tab = await made.connect("alice", { from: "start" });
  const told = () => tab.of("status").map((frame) => frame.run?.stalled);
  const types = () => tab.events().map(({ type }) => type);
  const { service } = made.parts;
  const cancel = () => made.call(service.cancel(userOf("alice", made.clock.now()), undefined, run, {}));
  return { ...made, shared, log, appends, tab, told, types, cancel };
}

describe("what a publish is told", () => {
  it("is why its fence is dead", async () => {
    const { publish } = await world();
    await expect(publish(run, 7, [delta("x")])).rejects.toMatchObject({
      _tag: "Fenced",
      message: "this fence is not the newest: another runner holds the run",
    });
  });

  it("is the seq where the run stands, also for a single token that names another", async () => {
    const { publish, types } = await world();
    await expect(publish(run, 1, [delta("x")], 9)).rejects.toMatchObject({ _tag: "SeqConflict", seq: 1 });
    expect(await publish(run, 1, [delta("x")], 1)).toMatchObject({ seq: 2 });
    expect(types()).toEqual(["agent_started", "agent_delta"]);
  });

  it("is where the next event would stand, for a key that says two things in one batch", async () => {
    const { publish } = await world();
    await expect(publish(run, 1, [keyed("a", note({ n: 1 })), keyed("a", note({ n: 2 }))])).rejects.toMatchObject({
      ...{ _tag: "KeyConflict", key: "a", seq: 2 },
    });
  });

  it("is that the run has ended while its terminal is on its way, and what came late is kept", async () => {
    const { publish, call, parts } = await world();
    const [ended, late] = await Promise.allSettled([publish(run, 1, [completed]), publish(run, 1, [note({ n: 1 })])]);
    expect(ended).toMatchObject({ status: "fulfilled", value: { seq: 2 } });
    expect(late).toMatchObject({ status: "rejected", reason: { _tag: "RunEnded", state: "completed" } });
    const { entries } = await call(parts.service.deadLetters(publisher, {}, { limit: 9 }));
    expect(entries).toMatchObject([{ type: "x.note", data: { n: 1 } }]);
  });

  it("is, for a retry behind a write that failed, that nobody knows yet, and when to ask again", async () => {
    const { publish, log } = await world();
    log.failAppend("before");
    const said = [keyed("a", note())];
    const answers = await Promise.allSettled([publish(run, 1, said), publish(run, 1, said)]);
    const reason = { _tag: "LogUnavailable", message: "the answer was lost", retryAfterMs: 10 };
    expect(answers).toMatchObject([
      { status: "rejected", reason },
      { status: "rejected", reason },
    ]);
  });

  it("is, for a retry behind a write that met a newer fence, to repeat it", async () => {
    const { publish, shared } = await world();
    await shared.claim(defaultTenant, run);
    const said = [keyed("a", note())];
    const answers = await Promise.allSettled([publish(run, 1, said), publish(run, 1, said)]);
    expect(answers).toMatchObject([
      { status: "rejected", reason: { _tag: "Fenced", message: "another runner has claimed this run" } },
      {
        status: "rejected",
        reason: {
          _tag: "LogUnavailable",
          message: "the run moved on elsewhere; repeat the call",
          retryAfterMs: 0,
        },
      },
    ]);
  });
});

describe("what a run writes", () => {
  it.each([
    ["performance", "os"],
    [undefined, undefined],
  ] as const)("in the mode %s waits for durability %s", async (mode, durability) => {
    const { publish, appends } = await world(mode === undefined ? {} : { mode });
    await publish(run, 1, [note()]);
    expect(appends.map((append) => append.durability)).toEqual([durability, durability]);
  });

  it("in one turn is one append, up to a thousand events", async () => {
    const { publish, appends } = await world();
    const many = Array.from({ length: 500 }, () => note());
    await Promise.all([publish(run, 1, many), publish(run, 1, many), publish(run, 1, [delta("x")])]);
    expect(appends.map(({ events }) => events.length)).toEqual([1, 1_000, 1]);
  });

  it("for a human bears no fence: a cancel is written though another process has given the run a newer one", async () => {
    const { shared, cancel, types, settle } = await world();
    await shared.claim(defaultTenant, run);
    await cancel();
    await settle();
    expect(types()).toEqual(["agent_started", "cancel_requested"]);
  });
});

describe("a runner's silence", () => {
  it("is not broken by what a human says to it", async () => {
    const { clock, cancel, told, settle } = await world();
    await clock.advance(leaseMs + lateMs);
    expect(told()).toEqual([true]);
    await cancel();
    await settle();
    expect(told()).toEqual([true]);
  });

  it("is noticed also when its last word had a key that the log was asked for (L16)", async () => {
    const { log, publish } = await world();
    await publish(run, 1, [keyed("a", note())]);
    const after = await runtimeUnderTest({ leaseMs, graceMs, log });
    expect(await after.publish(run, 1, [keyed("a", note()), keyed("b", note())])).toMatchObject({ duplicates: 1 });
    await after.clock.advance(leaseMs + graceMs + 2 * lateMs);
    await after.settle();
    const view = await after.call(after.parts.service.run(publisher, undefined, run));
    expect(view).toMatchObject({ state: "interrupted" });
  });
});
