import { describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import { LogFull } from "../../src/errors.ts";
import { completed, delta, executed, executing, keyed, note, resumed, suspended, thinking } from "../support/events.ts";
import type { NodeUnderTest } from "../support/nodes-under-test.ts";
import { embedIn, nodesUnderTest, writtenOf } from "../support/nodes-under-test.ts";
import { publisher, userOf } from "../support/runtime-under-test.ts";

const cancel = ({ call, parts, clock }: NodeUnderTest, runId: string, deadlineMs?: number) =>
  call(
    parts.service.cancel(
      userOf("alice", clock.now()),
      undefined,
      asRunId(runId),
      deadlineMs === undefined ? {} : { deadlineMs },
    ),
  );
const beat = ({ call, parts }: NodeUnderTest, runId: string, fence = 1) =>
  call(parts.service.heartbeat(publisher, undefined, asRunId(runId), { fence }));
const answer = ({ call, parts, clock }: NodeUnderTest, approvalId: string, decision: "approve" | "deny") =>
  call(parts.service.resolveApproval(userOf("alice", clock.now()), undefined, approvalId, { decision }));
const claim = ({ call, parts }: NodeUnderTest, runId: string) =>
  call(parts.service.claim(publisher, undefined, asRunId(runId)));

describe("a run that several nodes serve", () => {
  it("takes each event at any of them, in the order in which its runner says them", async () => {
    const { nodes, log } = await nodesUnderTest({}, { count: 3 });
    const { runId } = await nodes[0].start();
    const said = [thinking, executing("a"), executing("b"), executed("b"), executed("a"), thinking, completed];
    for (const [index, event] of said.entries()) {
      const at = nodes[(index * 2 + 1) % 3] ?? nodes[0];
      expect(await at.publish(runId, 1, [event])).toMatchObject({ seq: index + 2, offset: index + 2 });
    }
    expect(await writtenOf(log, runId)).toEqual(["agent_started", ...said.map(({ type }) => type)]);
  });

  it("judges again what was judged on an old picture, and writes it behind what it had not seen", async () => {
    const { nodes, log } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    await second.publish(runId, 1, [thinking]);
    // Legal by the old picture, too, at another seq.
    const batches = ["x", "y", "z"].map((text) => first.publish(runId, 1, [delta(text)]));
    expect((await Promise.all(batches)).map(({ seq }) => seq)).toEqual([3, 4, 5]);
    // Illegal by the old picture.
    expect(await second.publish(runId, 1, [executing("a")])).toMatchObject({ seq: 6 });
    expect(await first.publish(runId, 1, [executed("a")])).toMatchObject({ seq: 7 });
    // Legal by the old picture only.
    await expect(second.publish(runId, 1, [executed("a")])).rejects.toMatchObject({
      _tag: "IllegalTransition",
      state: "toolCompleted",
    });
    expect(await writtenOf(log, runId)).toHaveLength(7);
  });

  it("is never written by two that speak at once but in one legal order", async () => {
    const { nodes, log } = await nodesUnderTest();
    const { runId } = await nodes[0].start();
    const calls = Array.from({ length: 20 }, (_, index) =>
      (nodes[index % 2] ?? nodes[0]).publish(runId, 1, [executing(`c${index}`), executed(`c${index}`)]),
    );
    await Promise.all(calls);
    const written = await writtenOf(log, runId);
    expect(written).toHaveLength(41);
    for (let at = 1; at < written.length; at += 2)
      expect(written.slice(at, at + 2)).toEqual(["tool_executing", "tool_completed"]);
  });

  it("answers a batch that another node wrote as known, and its key with another body as a conflict", async () => {
    const { nodes, log } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    const batch = [keyed("a", executing("c")), keyed("b", executed("c"))];
    expect(await first.publish(runId, 1, batch)).toMatchObject({ seq: 3, duplicates: 0 });
    expect(await second.publish(runId, 1, batch)).toMatchObject({ seq: 3, offset: 3, duplicates: 2 });
    expect(await second.publish(runId, 1, [keyed("n", thinking)])).toMatchObject({ seq: 4, duplicates: 0 });
    // This node made the run, and does not know the key.
    expect(await first.publish(runId, 1, [keyed("n", thinking)])).toMatchObject({ seq: 4, duplicates: 1 });
    await expect(first.publish(runId, 1, [keyed("n", note({ other: true }))])).rejects.toMatchObject({
      _tag: "KeyConflict",
      seq: 4,
    });
    await second.publish(runId, 1, [keyed("end", completed)]);
    expect(await first.publish(runId, 1, [keyed("end", completed)])).toMatchObject({ seq: 5, duplicates: 1 });
    expect(await writtenOf(log, runId)).toHaveLength(5);
  });

  it("answers a seq that the writer names with the seq where the run stands", async () => {
    const { nodes } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    await second.publish(runId, 1, [thinking]);
    await expect(first.publish(runId, 1, [thinking], 1)).rejects.toMatchObject({ _tag: "SeqConflict", seq: 2 });
    await second.publish(runId, 1, [thinking]);
    expect(await first.publish(runId, 1, [thinking], 3)).toMatchObject({ seq: 4 });
  });

  it("that ended at another node is over at all of them, and what comes late is kept apart", async () => {
    const { nodes, log } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    await second.publish(runId, 1, [completed]);
    await expect(first.publish(runId, 1, [note()])).rejects.toMatchObject({ _tag: "RunEnded", state: "completed" });
    await expect(beat(first, runId)).rejects.toMatchObject({ _tag: "RunEnded" });
    await expect(cancel(first, runId)).rejects.toMatchObject({ _tag: "RunEnded" });
    await expect(claim(first, runId)).rejects.toMatchObject({ _tag: "RunEnded" });
    expect(first.parts.runs.livingCount).toBe(0);
    expect((await log.deadLetters({ limit: 10 })).entries).toMatchObject([{ type: "x.note" }]);
  });

  it("ends once, whichever of two nodes says so", async () => {
    const { nodes, log } = await nodesUnderTest();
    const { runId } = await nodes[0].start();
    await nodes[1].publish(runId, 1, [thinking]);
    const ends = await Promise.allSettled(nodes.map((node) => node.publish(runId, 1, [completed])));
    expect(ends.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(await writtenOf(log, runId)).toEqual(["agent_started", "agent_thinking", "agent_completed"]);
  });

  it("is fenced at every node by a claim at one (L14)", async () => {
    const { nodes } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    expect(await claim(second, runId)).toMatchObject({ fence: 2, seq: 1 });
    await expect(beat(first, runId, 1)).rejects.toMatchObject({ _tag: "Fenced" });
    await expect(first.publish(runId, 1, [note()])).rejects.toMatchObject({ _tag: "Fenced" });
    expect(await first.publish(runId, 2, [note()])).toMatchObject({ seq: 2 });
    expect(await claim(first, runId)).toMatchObject({ fence: 3, seq: 2 });
    await expect(second.publish(runId, 2, [note()])).rejects.toMatchObject({ _tag: "Fenced" });
    expect(await second.publish(runId, 3, [note()])).toMatchObject({ seq: 3 });
  });

  it("tells its runner of a cancellation that came through another node", async () => {
    const { nodes, log } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    await cancel(second, runId);
    expect(await first.publish(runId, 1, [thinking])).toMatchObject({ seq: 3, cancelRequested: true });
    const other = await first.start();
    await cancel(second, other.runId);
    expect(await beat(first, other.runId)).toMatchObject({ cancelRequested: true });
    // Once more, at the node that has not heard of it.
    const third = await first.start();
    await cancel(second, third.runId);
    await cancel(first, third.runId);
    expect(await writtenOf(log, third.runId)).toEqual(["agent_started", "cancel_requested"]);
  });

  it("keeps the first answer to an approval, whichever node it came through", async () => {
    const { nodes, log } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    await second.start({ runId: "other" });
    await first.publish(runId, 1, [suspended("a", "b")]);
    // The second has the run at hand from before it asked the next question.
    await answer(second, "a", "approve");
    await expect(answer(first, "a", "deny")).rejects.toMatchObject({ resolution: { decision: "approve" } });
    await answer(first, "b", "deny");
    await expect(answer(second, "b", "approve")).rejects.toMatchObject({ resolution: { decision: "deny" } });
    await first.publish(runId, 1, [resumed, suspended("c")]);
    await answer(second, "c", "approve");
    expect(await second.publish(runId, 1, [resumed, completed])).toMatchObject({ seq: 9 });
    expect((await writtenOf(log, runId)).filter((type) => type === "approval_resolved")).toHaveLength(3);
  });

  it("does not complete while a child lives at another node, and stops it there", async () => {
    const { nodes, log } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    await second.start({ runId: "child", parentRunId: runId });
    await expect(first.publish(runId, 1, [completed])).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await second.publish("child", 1, [completed]);
    expect(await first.publish(runId, 1, [completed])).toMatchObject({ seq: 2 });
    const parent = await first.start();
    await second.start({ runId: "left", parentRunId: parent.runId });
    await cancel(first, parent.runId);
    await first.settle();
    expect(await writtenOf(log, "left")).toEqual(["agent_started", "cancel_requested"]);
    await expect(second.start({ parentRunId: runId })).rejects.toMatchObject({ _tag: "RunEnded" });
  });

  it("does not complete when a child is made at another node in the very moment of its last word", async () => {
    const { nodes, log, clock } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    // Judged, and on its way to the log.
    const release = first.faults.holdWrites();
    const last = first.publish(runId, 1, [completed]);
    await clock.advance(0);
    await second.start({ runId: "child", parentRunId: runId });
    release();
    await expect(last).rejects.toMatchObject({ _tag: "IllegalTransition", event: "agent_completed" });
    await second.publish("child", 1, [completed]);
    await first.publish(runId, 1, [completed]);
    expect(await writtenOf(log, runId)).toEqual(["agent_started", "agent_completed"]);
  });

  it("gets no child at another node in the very moment in which it ends", async () => {
    for (const end of [completed, { type: "agent_failed", data: { error: { code: "bad", message: "no" } } }]) {
      const { nodes, log, clock } = await nodesUnderTest();
      const [first, second] = nodes;
      const { runId } = await first.start();
      const release = second.faults.holdWrites();
      const child = second.start({ runId: "child", parentRunId: runId });
      await clock.advance(0);
      await first.publish(runId, 1, [end]);
      release();
      await expect(child).rejects.toMatchObject({ _tag: "RunEnded" });
      expect(await writtenOf(log, "child")).toEqual([]);
      await expect(second.start({ runId: "late", parentRunId: "nobody" })).rejects.toMatchObject({ _tag: "NotFound" });
    }
  });

  it("stops a child that is made at another node while it is asked to stop", async () => {
    const { nodes, log, clock } = await nodesUnderTest();
    const [first, second] = nodes;
    const { runId } = await first.start();
    const release = second.faults.holdWrites();
    const child = second.start({ runId: "child", parentRunId: runId });
    await clock.advance(0);
    await cancel(first, runId);
    release();
    await child;
    await clock.advance(0);
    expect(await writtenOf(log, "child")).toEqual(["agent_started", "cancel_requested"]);
  });

  it("writes nothing and goes on when the log has no room", async () => {
    const { nodes, log } = await nodesUnderTest();
    const [first] = nodes;
    const { runId } = await first.start();
    let isFull = true;
    const { append } = first.faults;
    Object.assign(first.faults, {
      append: (...wanted: Parameters<typeof append>) =>
        isFull ? Promise.reject(new LogFull({ message: "full", retryAfterMs: 1 })) : append(...wanted),
    });
    const refused = first.publish(runId, 1, [keyed("a", executing("a"))]);
    await expect(refused).rejects.toMatchObject({ _tag: "LogFull" });
    isFull = false;
    expect(await first.publish(runId, 1, [keyed("a", executing("a")), executed("a")])).toMatchObject({ seq: 3 });
    expect(await writtenOf(log, runId)).toHaveLength(3);
  });

  it("goes on from what was certain after a write of unknown outcome, and reads only what is new", async () => {
    const { nodes, log, clock } = await nodesUnderTest();
    const [first] = nodes;
    const { runId } = await first.start();
    await first.publish(runId, 1, [executing("a")]);
    for (let said = 0; said < 50; said += 1) await first.publish(runId, 1, [delta("x")]);
    await cancel(first, runId, 5_000);
    const child = await first.start({ runId: "child", parentRunId: runId });
    let read = 0;
    const { readRun } = first.faults;
    Object.assign(first.faults, {
      readRun: async (...asked: Parameters<typeof readRun>) => {
        const events = await readRun(...asked);
        read += events.length;
        return events;
      },
    });
    for (const [event, fault] of [
      [delta("y"), "unavailable"],
      [executed("a"), "unknown"],
      [delta("z"), "unavailable"],
    ] as const) {
      first.faults.failAppend(fault);
      await expect(first.publish(runId, 1, [event])).rejects.toMatchObject({ _tag: "LogUnavailable" });
    }
    // Legal only where the tool has ended; what was written without an answer is the one event that was read.
    expect(await first.publish(runId, 1, [thinking])).toMatchObject({ seq: 55 });
    expect(read).toBe(1);
    await expect(first.publish(runId, 1, [completed])).rejects.toMatchObject({ _tag: "IllegalTransition" });
    await first.publish(child.runId, 1, [completed]);
    // What had a date before has it still.
    await clock.advance(5_100);
    await first.settle();
    expect((await writtenOf(log, runId)).at(-1)).toBe("agent_cancelled");
  });
});

describe("an embedded runner on one of several nodes", () => {
  it("is told to stop when the cancellation came through another node", async () => {
    const { nodes } = await nodesUnderTest();
    const [first, second] = nodes;
    const run = await embedIn(first, "run");
    const { signal } = run;
    await cancel(second, "run");
    await first.settle();
    expect(signal.aborted).toBe(true);
    await run.cancelled();
    expect(run.state).toBe("cancelled");
  });

  it("asks the log for nothing of others when it speaks at once, and soon when it does not", async () => {
    const { nodes, clock } = await nodesUnderTest();
    const [first] = nodes;
    let looks = 0;
    const { run: find } = first.faults;
    Object.assign(first.faults, {
      run: (...asked: Parameters<typeof find>) => {
        looks += 1;
        return find(...asked);
      },
    });
    const speaking = await embedIn(first, "speaks");
    await first.settle();
    await speaking.thinking();
    await clock.advance(200);
    await first.settle();
    expect(looks).toBe(0);
    await embedIn(first, "listens");
    await clock.advance(200);
    await first.settle();
    expect(looks).toBe(1);
  });

  it("hears it within a third of its lease though every bell is lost", async () => {
    const { nodes, clock } = await nodesUnderTest({ leaseMs: 9_000 }, { line: () => {} });
    const [first, second] = nodes;
    const { signal } = await embedIn(first, "run");
    await cancel(second, "run");
    await clock.advance(3_100);
    expect(signal.aborted).toBe(true);
  });

  it("hears that its approval was answered, and that another runner holds the run", async () => {
    const { nodes, clock } = await nodesUnderTest({ leaseMs: 9_000 });
    const [first, second] = nodes;
    const run = await embedIn(first, "run");
    await run.suspended({ reason: "asks", approvals: [{ approvalId: "a", prompt: "?" }] });
    await answer(second, "a", "approve");
    await first.settle();
    const desk = [...first.parts.runs.all()][0];
    expect(desk?.run.isWaiting).toBe(false);
    await run.resumed();
    const { signal } = run;
    await claim(second, "run");
    // A claim rings no bell: the second pulse without a word of the runner looks.
    await clock.advance(6_200);
    expect(signal.aborted).toBe(true);
    await expect(run.thinking()).rejects.toMatchObject({ _tag: "Fenced" });
  });

  it("stops following when its run is over", async () => {
    const { nodes } = await nodesUnderTest();
    const [first] = nodes;
    const run = await embedIn(first, "run");
    await run.completed();
    await first.settle();
    expect(first.view.followedCount).toBe(0);
  });
});
