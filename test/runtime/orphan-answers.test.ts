import { describe, expect, it } from "vitest";
import { asRunId, defaultTenant } from "../../protocol/ids.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { makeRuntime } from "../../src/runtime/make-runtime.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { completed, note, thinking } from "../support/events.ts";
import { faultyLog } from "../support/faulty-log.ts";
import { runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const leaseMs = 10_000;
const graceMs = 5_000;
/** One tick of the deadline wheel, for each of the two deadlines. */
const lateMs = 110;
const options = { leaseMs, graceMs };
const run = asRunId("r1");

/** A run of another process, whose clock stands still, and a process that finds it in the store. */
async function world() {
  const shared = memoryLog();
  const log = faultyLog(shared);
  const nothing = async (_count: number): Promise<void> => {};
  /** What happens before and after the log reads its record, by the number of the look. */
  const looked = { count: 0, before: nothing, after: nothing };
  log.run = async (...which) => {
    looked.count += 1;
    const { count } = looked;
    await looked.before(count);
    const record = await shared.run(...which);
    await looked.after(count);
    return record;
  };
  const other = await runtimeUnderTest({ ...options, log: shared });
  await other.start({ runId: run });
  const here = await runtimeUnderTest({ ...options, log });
  const tab = await here.connect("alice", { from: "start" });
  const told = () => tab.of("status").map((frame) => frame.run?.stalled);
  const types = () => tab.events().map(({ type }) => type);
  return { ...here, shared, log, looked, other, tab, told, types };
}

/** A process that has not begun, with a journal and those it says were left behind. */
function beginner(log: RuntimeOptions["log"]) {
  const clock = manualClock();
  const lines: (readonly [string, string, unknown])[] = [];
  const journal: RuntimeOptions["journal"] = { write: (...line) => void lines.push([line[0], line[1], line[2]]) };
  const parts = makeRuntime({ ...options, log, clock, journal, authenticate: async (token) => userOf(token, 0) });
  return { clock, lines, parts };
}

describe("an orphan that another process serves", () => {
  it("is shown as living again once its runner has been heard, and has a whole lease from then on", async () => {
    const { clock, other, told, types } = await world();
    await clock.advance(leaseMs + lateMs);
    expect(told()).toEqual([true]);
    await other.publish(run, 1, [thinking]);
    await clock.advance(graceMs + lateMs);
    expect(told()).toEqual([true, false]);
    await clock.advance(leaseMs - 3 * lateMs);
    expect(told()).toEqual([true, false]);
    await clock.advance(3 * lateMs);
    expect(told()).toEqual([true, false, true]);
    await clock.advance(graceMs + lateMs);
    expect(types()).toEqual(["agent_started", "agent_thinking", "agent_interrupted"]);
  });

  it("that has been heard in time was never stalled, and is looked at after another lease", async () => {
    const { clock, other, told } = await world();
    await other.publish(run, 1, [thinking]);
    await clock.advance(leaseMs + lateMs);
    expect(told()).toEqual([]);
    await clock.advance(leaseMs + lateMs);
    expect(told()).toEqual([true]);
  });

  it("is not silent when a runner has claimed it and said nothing yet", async () => {
    const { clock, shared, told } = await world();
    await shared.claim(defaultTenant, run);
    await clock.advance(leaseMs + lateMs);
    expect(told()).toEqual([]);
    await clock.advance(leaseMs + lateMs);
    expect(told()).toEqual([true]);
  });

  it("is not interrupted when a runner claims it at the last moment", async () => {
    const { clock, shared, looked, types } = await world();
    await clock.advance(leaseMs + lateMs);
    // The look that finds it silent comes first; the next is made to bring its desk.
    const silent = looked.count + 1;
    looked.after = async (count) => {
      if (count === silent) await shared.claim(defaultTenant, run);
    };
    await clock.advance(graceMs);
    expect(looked.count).toBeGreaterThan(silent);
    expect(types()).toEqual(["agent_started"]);
  });

  it("is no longer stalled once it has ended, and nobody looks for it any more", async () => {
    const { clock, other, told, looked } = await world();
    await clock.advance(leaseMs + lateMs);
    await other.publish(run, 1, [completed]);
    await clock.advance(graceMs + lateMs);
    expect(told()).toEqual([true, false]);
    const count = looked.count;
    await clock.advance(10 * leaseMs);
    expect(looked.count).toBe(count);
  });
});

describe("an orphan that gets a desk", () => {
  it.each(["before", "after"] as const)("%s the log has read it at a look, is told to live once", async (when) => {
    const { clock, publish, told, looked, settle } = await world();
    await clock.advance(leaseMs + lateMs);
    const gate = Promise.withResolvers<void>();
    const asked = looked.count + 1;
    // The answer knows of its runner's word or does not: neither concerns the desk.
    looked[when] = async (count) => {
      if (count === asked) await gate.promise;
    };
    await clock.advance(graceMs + lateMs);
    await publish(run, 1, [note()]);
    gate.resolve();
    await settle();
    expect(told()).toEqual([true, false]);
    await clock.advance(leaseMs - lateMs);
    expect(told()).toEqual([true, false]);
  });

  it("is stalled no more when that desk is lost and found again", async () => {
    const { clock, publish, told, log } = await world();
    await clock.advance(leaseMs + lateMs);
    await publish(run, 1, [note()]);
    expect(told()).toEqual([true, false]);
    log.failAppend("before");
    await expect(publish(run, 1, [note()])).rejects.toMatchObject({ _tag: "LogUnavailable" });
    await publish(run, 1, [note()]);
    expect(told()).toEqual([true, false]);
  });
});

describe("the look for orphans", () => {
  it("says why the store could not be read, and tells only of runs that are older than the process", async () => {
    const shared = memoryLog();
    const log = faultyLog(shared);
    const other = await runtimeUnderTest({ ...options, log: shared });
    await other.start({ runId: "old" });
    const { clock, lines, parts } = beginner(log);
    log.setDown(true);
    const found: string[] = [];
    const looked = parts.start(({ runId }) => void found.push(runId));
    await clock.advance(100);
    await other.clock.advance(1_000);
    await other.start({ runId: "young" });
    log.setDown(false);
    await clock.advance(1_000 + lateMs);
    await looked;
    expect(lines).toEqual([
      ["warn", "orphans.notRead", { cause: expect.objectContaining({ _tag: "LogUnavailable" }) }],
    ]);
    expect(found).toEqual(["old"]);
  });

  it("goes on behind a listener that throws, and names the run it was told of", async () => {
    const log = memoryLog();
    const other = await runtimeUnderTest({ ...options, log });
    await other.start({ runId: "a" });
    await other.start({ runId: "b" });
    const { lines, parts } = beginner(log);
    const cause = new Error("mine");
    await parts.start(() => {
      throw cause;
    });
    expect(lines).toEqual([
      ["error", "orphans.listenerFailed", { runId: "b", cause }],
      ["error", "orphans.listenerFailed", { runId: "a", cause }],
    ]);
  });

  it("tells nobody of what the store answers after the goodbye", async () => {
    const shared = memoryLog();
    const other = await runtimeUnderTest({ ...options, log: shared });
    await other.start();
    const gate = Promise.withResolvers<void>();
    const runs: typeof shared.runs = (query) => gate.promise.then(() => shared.runs(query));
    const { call } = other;
    const { parts } = beginner({ ...shared, runs });
    const found: string[] = [];
    const looked = parts.start(({ runId }) => void found.push(runId));
    await call(parts.service.drain);
    gate.resolve();
    await looked;
    expect(found).toEqual([]);
  });
});
