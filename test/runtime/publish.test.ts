import { describe, expect, it } from "vitest";
import { memoryLog } from "../../src/log/memory.ts";
import { completed, delta, executed, executing, failed, keyed, note, proposed, thinking } from "../support/events.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";

describe("a publish", () => {
  it("answers with the seq and offset of its last event", async () => {
    const { start, publish } = await runtimeUnderTest();
    const first = await start();
    const second = await start();
    expect(first).toMatchObject({ seq: 1, offset: 1, fence: 1 });
    expect(second).toMatchObject({ seq: 1, offset: 2, fence: 1, epoch: first.epoch });
    expect(await publish(first.runId, 1, [thinking, note()])).toEqual({ seq: 3, offset: 4, duplicates: 0 });
    expect(await publish(second.runId, 1, [thinking])).toEqual({ seq: 2, offset: 5, duplicates: 0 });
  });

  it("keeps the order of calls that nobody awaited", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    const texts = Array.from({ length: 50 }, (_, index) => `${index}`);
    const answers = await Promise.all(texts.map((text) => publish(runId, 1, [delta(text)])));
    await settle();
    expect(answers.map(({ seq }) => seq)).toEqual(texts.map((_, index) => index + 2));
    expect(
      tab
        .events()
        .slice(1)
        .map(({ data }) => (data as { text: string }).text),
    ).toEqual(texts);
  });

  it("writes nothing of a batch with an illegal event in the middle, and the run goes on as before", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, [executing("c1")]);
    const refused = publish(runId, 1, [executed("c1"), thinking, executed("c1"), completed]);
    await expect(refused).rejects.toMatchObject({
      _tag: "IllegalTransition",
      index: 2,
      state: "thinking",
      event: "tool_completed",
    });
    // Were the machine not rolled back, c1 would be closed and this illegal.
    expect(await publish(runId, 1, [executed("c1"), completed])).toEqual({ seq: 4, offset: 4, duplicates: 0 });
    await settle();
    expect(tab.events().map(({ type }) => type)).toEqual([
      "agent_started",
      "tool_executing",
      "tool_completed",
      "agent_completed",
    ]);
  });

  it("says what would be legal", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, [executing("c1")]);
    const error = await publish(runId, 1, [completed]).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ index: 0, state: "toolExecuting", event: "agent_completed" });
    const { legal } = error as { legal: readonly string[] };
    expect(legal).toContain("tool_completed");
    expect(legal).toContain("x.*");
    expect(legal).not.toContain("agent_completed");
    expect(legal).not.toContain("agent_interrupted");
  });

  it("is a conflict when it goes on after its own terminal, and gone when the run had ended before", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    await expect(publish(runId, 1, [completed, note()])).rejects.toMatchObject({ _tag: "IllegalTransition", index: 1 });
    await publish(runId, 1, [completed]);
    await expect(publish(runId, 1, [note()])).rejects.toMatchObject({ _tag: "RunEnded", state: "completed" });
  });

  it("is gone while the terminal is still on its way to the disk", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    const [end, late] = await Promise.allSettled([publish(runId, 1, [completed]), publish(runId, 1, [note()])]);
    expect(end.status).toBe("fulfilled");
    expect(late).toMatchObject({ status: "rejected", reason: { _tag: "RunEnded" } });
  });

  it("closes open calls before a terminal and marks that as repaired", async () => {
    const { start, publish, connect, settle } = await runtimeUnderTest();
    const tab = await connect("alice", { from: "start" });
    const { runId } = await start();
    await publish(runId, 1, [executing("c1"), executing("c2"), proposed("c3"), executed("c2")]);
    expect(await publish(runId, 1, [failed])).toEqual({ seq: 8, offset: 8, duplicates: 0 });
    await settle();
    const last = tab.events().slice(-3);
    expect(last.map(({ type }) => type)).toEqual(["tool_completed", "tool_completed", "agent_failed"]);
    expect(last).toMatchObject([
      { data: { toolCallId: "c1", status: "cancelled" }, repaired: true },
      { data: { toolCallId: "c3", status: "cancelled" }, repaired: true },
      { data: { error: { code: "c" } } },
    ]);
    expect(last[2]).not.toHaveProperty("repaired");
  });

  it("holds a strict run to the bare chain", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start({ profile: "strict" });
    await expect(publish(runId, 1, [executing("c1")])).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await expect(publish(runId, 1, [completed])).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await expect(publish(runId, 1, [thinking, proposed("p"), executed("p", "denied")])).rejects.toMatchObject({
      index: 2,
    });
    expect(await publish(runId, 1, [thinking, executing("c1"), executed("c1"), completed])).toMatchObject({ seq: 5 });
  });

  it("never lets a publisher write agent_interrupted", async () => {
    const { start, publish } = await runtimeUnderTest();
    for (const onIllegal of ["reject", "repair"] as const) {
      const { runId } = await start({ onIllegal });
      const said = publish(runId, 1, [{ type: "agent_interrupted", data: { reason: "shutdown" } }]);
      await expect(said).rejects.toMatchObject({ _tag: "IllegalTransition" });
    }
  });

  it("finds a run that was made elsewhere while somebody else looked for it in vain", async () => {
    const log = memoryLog();
    const answers: (() => void)[] = [];
    const slow = {
      ...log,
      run: async (...which: Parameters<typeof log.run>) => {
        const found = await log.run(...which);
        if (found === undefined) await new Promise<void>((resolve) => void answers.push(resolve));
        return found;
      },
    };
    const here = await runtimeUnderTest({ log: slow });
    const elsewhere = await runtimeUnderTest({ log });
    const tooEarly = here.publish("r", 1, [note()]);
    await here.settle();
    await elsewhere.start({ runId: "r" });
    const inTime = here.publish("r", 1, [note()]);
    await here.settle();
    for (const answer of answers) answer();
    await expect(tooEarly).rejects.toMatchObject({ _tag: "NotFound" });
    expect(await inTime).toMatchObject({ seq: 2 });
  });

  it("names an unknown run as missing", async () => {
    const { publish } = await runtimeUnderTest();
    await expect(publish("nobody-made-it", 1, [note()])).rejects.toMatchObject({ _tag: "NotFound" });
  });

  it("counts what the log took, and what was refused", async () => {
    const { start, publish, parts } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, [keyed("k", thinking), note()]);
    await publish(runId, 1, [keyed("k", thinking)]);
    await expect(publish(runId, 1, [executed("c9")])).rejects.toThrow();
    await publish(runId, 1, [executing("c1"), failed]);
    expect(parts.service.stats()).toMatchObject({ eventsAccepted: 6, eventsRefused: 1, livingRuns: 0 });
    await expect(publish(runId, 1, [note(), note()])).rejects.toMatchObject({ _tag: "RunEnded" });
    expect(parts.service.stats()).toMatchObject({ eventsAccepted: 6, eventsRefused: 3 });
  });
});

describe("ifSeq", () => {
  it("lets a writer through that knows where the run stands, and nobody else", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    expect(await publish(runId, 1, [thinking], 1)).toMatchObject({ seq: 2 });
    await expect(publish(runId, 1, [thinking], 1)).rejects.toMatchObject({ _tag: "SeqConflict", seq: 2 });
    expect(await publish(runId, 1, [thinking], 2)).toMatchObject({ seq: 3 });
  });
});

describe("an event's key", () => {
  it("leaves the place of an illegal event where its sender counts it", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, [keyed("a", thinking)]);
    const batch = [keyed("a", thinking), note(), { type: "agent_resumed", data: {} }];
    await expect(publish(runId, 1, batch)).rejects.toMatchObject({ _tag: "IllegalTransition", index: 2 });
  });

  it("gives a retry the same answer and writes it once", async () => {
    const { start, publish, log } = await runtimeUnderTest();
    const { runId } = await start();
    const said = [keyed("a", thinking), keyed("b", delta("x"))];
    const first = await publish(runId, 1, said);
    await publish(runId, 1, [note()]);
    expect(await publish(runId, 1, said)).toEqual({ ...first, duplicates: 2 });
    expect(await publish(runId, 1, [keyed("a", thinking)])).toEqual({ seq: 2, offset: 2, duplicates: 1 });
    expect(await log.ledger()).toMatchObject({ accepted: 4 });
  });

  it("gives a retry the same answer while the first is under way", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    const said = [keyed("a", delta("x"))];
    const [first, again] = await Promise.all([publish(runId, 1, said), publish(runId, 1, said)]);
    expect(first).toEqual({ seq: 2, offset: 2, duplicates: 0 });
    expect(again).toEqual({ seq: 2, offset: 2, duplicates: 1 });
  });

  it("is a conflict with another body, and the first wins", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, [keyed("a", delta("x"))]);
    await expect(publish(runId, 1, [keyed("a", delta("y"))])).rejects.toMatchObject({
      _tag: "KeyConflict",
      key: "a",
      seq: 2,
    });
    await expect(publish(runId, 1, [keyed("b", delta("x")), keyed("b", thinking)])).rejects.toMatchObject({
      _tag: "KeyConflict",
      key: "b",
    });
    expect(await publish(runId, 1, [keyed("b", note())])).toMatchObject({ seq: 3, duplicates: 0 });
  });

  it("stands once in a batch that says it twice", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    const said = [keyed("a", delta("x")), keyed("a", delta("x")), note()];
    expect(await publish(runId, 1, said)).toEqual({ seq: 3, offset: 3, duplicates: 1 });
  });

  it("takes the order of an object's fields for no difference", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    await publish(runId, 1, [keyed("a", note({ one: 1, two: { three: 3, four: 4 } }))]);
    const again = await publish(runId, 1, [keyed("a", note({ two: { four: 4, three: 3 }, one: 1 }))]);
    expect(again).toMatchObject({ duplicates: 1, seq: 2 });
  });

  it("is not shared between runs", async () => {
    const { start, publish } = await runtimeUnderTest();
    const [one, two] = [await start(), await start()];
    await publish(one.runId, 1, [keyed("a", delta("x"))]);
    expect(await publish(two.runId, 1, [keyed("a", delta("y"))])).toMatchObject({ duplicates: 0 });
  });

  it("answers a retried terminal after the end as it was answered then", async () => {
    const { start, publish } = await runtimeUnderTest();
    const { runId } = await start();
    const said = [keyed("end", completed)];
    const first = await publish(runId, 1, said);
    expect(await publish(runId, 1, said)).toEqual({ ...first, duplicates: 1 });
    await expect(publish(runId, 1, [...said, note()])).rejects.toMatchObject({ _tag: "RunEnded" });
    await expect(publish(runId, 1, [keyed("end", failed)])).rejects.toMatchObject({ _tag: "KeyConflict" });
  });

  it("is known to the process that comes after", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ log });
    const { runId } = await before.start();
    const said = [keyed("a", thinking), keyed("b", delta("x"))];
    const first = await before.publish(runId, 1, said);
    const after = await runtimeUnderTest({ log });
    expect(await after.publish(runId, 1, said)).toEqual({ ...first, duplicates: 2 });
    await expect(after.publish(runId, 1, [keyed("a", note())])).rejects.toMatchObject({ _tag: "KeyConflict" });
    expect(await after.publish(runId, 1, [keyed("b", delta("x")), keyed("c", completed)])).toEqual({
      seq: 4,
      offset: 4,
      duplicates: 1,
    });
    expect(await after.publish(runId, 1, [keyed("c", completed)])).toEqual({ seq: 4, offset: 4, duplicates: 1 });
  });

  it("makes nobody wait for another's commit once the log was asked", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ log });
    const { runId } = await before.start();
    let letCommit = (): void => {};
    const mayCommit = new Promise<void>((resolve) => {
      letCommit = resolve;
    });
    const appends: number[] = [];
    const slow = {
      ...log,
      append: async (append: Parameters<typeof log.append>[0]) => {
        appends.push(append.events.length);
        await mayCommit;
        return log.append(append);
      },
    };
    const after = await runtimeUnderTest({ log: slow });
    const first = after.publish(runId, 1, [keyed("a", note())]);
    await after.settle();
    const second = after.publish(runId, 1, [keyed("b", note())]);
    await expect(after.publish(runId, 2, [keyed("c", note())])).rejects.toMatchObject({ _tag: "Fenced" });
    await after.settle();
    expect(appends).toEqual([1, 1]);
    letCommit();
    expect([(await first).seq, (await second).seq]).toEqual([2, 3]);
  });

  it("keeps the order of calls behind a question to the log", async () => {
    const log = memoryLog();
    const before = await runtimeUnderTest({ log });
    const { runId } = await before.start();
    const after = await runtimeUnderTest({ log });
    await after.publish(runId, 1, [note()]);
    const answers = await Promise.all([
      after.publish(runId, 1, [keyed("a", delta("1"))]),
      after.publish(runId, 1, [delta("2")]),
      after.publish(runId, 1, [keyed("b", delta("3"))]),
    ]);
    expect(answers.map(({ seq }) => seq)).toEqual([3, 4, 5]);
  });
});
