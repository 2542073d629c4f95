/** The world for users' tests: the embedding API as it is, over time, faults and processes that a test moves. */
import { describe, expect, it, vi } from "vitest";
import { createRuncast } from "../../src/make-runcast.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { runAgent } from "../../src/runners/plain.ts";
import { testRuncast } from "../../src/testing/make-test-runcast.ts";

const types = (events: readonly { readonly type: string }[]) => events.map(({ type }) => type);

describe("a Runcast for tests", () => {
  it("has every call of a Runcast, and answers as one", async () => {
    await using runcast = await testRuncast();
    const real = await createRuncast({ store: memoryLog(), auth: () => undefined });
    expect(Object.keys(runcast)).toEqual(expect.arrayContaining(Object.keys(real)));
    await real.close();
    const run = await runcast.startRun({ userId: "alice", agent: "a" });
    await run.thinking();
    await expect(run.tool({ toolName: "t" }, () => run.completed())).rejects.toMatchObject({
      _tag: "IllegalTransition",
    });
    await run.completed("done");
    expect(types(await runcast.events("alice"))).toEqual([
      "agent_started",
      "agent_thinking",
      "tool_executing",
      "tool_completed",
      "agent_completed",
    ]);
    expect(await runcast.run(run.runId)).toMatchObject({ state: "completed", output: "done" });
  });

  it("is the same world for the same seed", async () => {
    const told = async (seed: number): Promise<string> => {
      await using runcast = await testRuncast({ seed });
      const run = await runcast.startRun({ userId: "alice", agent: "a" });
      await run.completed();
      const client = await runcast.connect("alice", { from: "start" });
      return JSON.stringify([await runcast.events("alice"), client.frames]);
    };
    expect(await told(1)).toBe(await told(1));
    expect(await told(1)).not.toBe(await told(2));
  });

  it("ends a silent runner's run when the clock has passed its lease and the grace period (L16)", async () => {
    await using runcast = await testRuncast({ leaseMs: 5_000, graceMs: 2_000 });
    const { runId } = await runcast.startRun({ userId: "alice", agent: "a" });
    const next = await runcast.crash();
    const tab = await next.connect("alice");
    expect(await tab.frame("status")).toMatchObject({ channel: "auth", state: "auth_completed" });
    await next.advance(5_100);
    expect(await tab.frame("status")).toMatchObject({ run: { runId, stalled: true } });
    expect(types(await next.events("alice"))).toEqual(["agent_started"]);
    await next.advance(2_100);
    expect((await next.events("alice")).at(-1)).toMatchObject({
      type: "agent_interrupted",
      data: { reason: "lease_expired" },
    });
  });

  it("writes nothing when an append is unavailable, and writes when its answer is lost: L6 and three outcomes", async () => {
    await using runcast = await testRuncast();
    const run = await runcast.startRun({ userId: "alice", agent: "a" });
    runcast.log.failAppend("unavailable", "unknown");
    const said = { type: "agent_progress", data: { message: "one" }, key: "k" } as const;
    await expect(run.emit(said)).rejects.toMatchObject({ _tag: "LogUnavailable" });
    expect(await runcast.events("alice")).toHaveLength(1);
    await expect(run.emit(said)).rejects.toMatchObject({ _tag: "LogUnavailable" });
    expect(await runcast.events("alice")).toHaveLength(2);
    expect(await run.emit(said)).toMatchObject({ offset: 2, duplicates: 1 });
    runcast.log.setDown(true);
    await expect(run.thinking()).rejects.toMatchObject({ _tag: "LogUnavailable" });
    runcast.log.setDown(false);
    await run.thinking();
    expect(types(await runcast.events("alice"))).toEqual(["agent_started", "agent_progress", "agent_thinking"]);
  });

  it("holds writes, and carries them out in their order", async () => {
    await using runcast = await testRuncast();
    const run = await runcast.startRun({ userId: "alice", agent: "a" });
    const release = runcast.log.holdWrites();
    const one = run.thinking("one");
    await runcast.settle();
    const said = [one, runcast.notify({ userId: "alice", type: "x.two", data: {} })];
    const settled = vi.fn<() => void>();
    void Promise.all(said).then(settled);
    await runcast.settle();
    expect(settled).not.toHaveBeenCalled();
    expect(await runcast.events("alice")).toHaveLength(1);
    release();
    const late = run.thinking("three");
    await Promise.all([...said, late]);
    expect((await runcast.events("alice")).map(({ type, data }) => data["thought"] ?? type)).toEqual([
      "agent_started",
      "one",
      "x.two",
      "three",
    ]);
  });

  it("carries out nothing of a process that has crashed, and keeps what it had acknowledged (L6)", async () => {
    await using runcast = await testRuncast();
    const run = await runcast.startRun({ userId: "alice", agent: "a" });
    await run.thinking();
    const heard: string[] = [];
    const next = await runcast.crash();
    void run.completed().then(
      () => heard.push("answered"),
      () => heard.push("refused"),
    );
    void runcast.startRun({ userId: "alice", agent: "ghost" }).then(() => heard.push("started"));
    await next.advance(10_000);
    expect(heard).toEqual([]);
    expect(types(await next.events("alice"))).toEqual(["agent_started", "agent_thinking"]);
    const again = await next.claim(run.runId);
    await again.completed();
    expect(types(await next.events("alice")).at(-1)).toBe("agent_completed");
  });

  it("leaves nothing behind of a process that was killed: no timer, no ear, no connection", async () => {
    const store = memoryLog();
    let listeners = 0;
    const watched = {
      ...store,
      watch: (listener: Parameters<typeof store.watch>[0]) => {
        const unwatch = store.watch(listener);
        listeners += 1;
        return () => {
          listeners -= 1;
          unwatch();
        };
      },
    };
    const runcast = await testRuncast({ store: watched });
    const tab = await runcast.connect("alice");
    await runcast.startRun({ userId: "alice", agent: "a" });
    expect(runcast.clock.nextInMs).toBeLessThan(1_000);
    runcast.kill();
    await runcast.settle();
    expect([runcast.clock.nextInMs, listeners, tab.ended?.code]).toEqual([undefined, 0, 1006]);
    await expect(runcast.connect("alice")).rejects.toThrow("1006");
    await store.close();
  });

  it("tells the next process of runs that were left behind, and drains when it is told to restart", async () => {
    const orphans: string[] = [];
    await using runcast = await testRuncast({ onOrphan: ({ runId }) => void orphans.push(runId) });
    const first = await runcast.startRun({ userId: "alice", agent: "a", runId: "r-1" });
    const tab = await runcast.connect("alice");
    const second = await runcast.crash();
    expect(orphans).toEqual(["r-1"]);
    expect(tab.ended).toEqual({ code: 1006, reason: "" });
    const held = await second.claim(first.runId);
    const other = await second.connect("alice");
    await second.restart();
    expect(other.ended).toMatchObject({ code: 1012 });
    expect(await other.frame("goodbye")).toMatchObject({ reason: "restart" });
    expect(held.state).toBe("interrupted");
    expect(orphans).toEqual(["r-1"]);
  });

  it("moves time until a promise has settled, and says so when it never does", async () => {
    await using runcast = await testRuncast();
    const waited = new Promise<string>((resolve) => runcast.clock.after(90_000, () => resolve("late")));
    expect(await runcast.until(waited)).toBe("late");
    expect(runcast.clock.mono()).toBeGreaterThanOrEqual(90_000);
    await expect(runcast.until(new Promise(() => {}), 1_000)).rejects.toThrow("1000 ms of the clock");
    await expect(runcast.until(Promise.reject(new RangeError("no")))).rejects.toThrow(RangeError);
  });

  it("cancels a run whose runner does not stop, at the deadline and not before", async () => {
    await using runcast = await testRuncast();
    const run = await runcast.startRun({ userId: "alice", agent: "a" });
    const outcome = runAgent(run, ({ tool }) => tool("endless", () => new Promise(() => {})));
    await runcast.settle();
    await runcast.cancel(run.runId, { deadlineMs: 4_000 });
    await runcast.advance(3_900);
    expect((await runcast.run(run.runId)).state).toBe("toolExecuting");
    await runcast.advance(200);
    expect((await runcast.run(run.runId)).state).toBe("cancelled");
    expect(run.signal.aborted).toBe(true);
    void outcome;
  });

  it("works while the test runner's own timers are in its place", async () => {
    vi.useFakeTimers();
    try {
      await using runcast = await testRuncast();
      const client = await runcast.connect("alice");
      const run = await runcast.startRun({ userId: "alice", agent: "a" });
      await run.completed();
      await runcast.advance(1_000);
      expect(types(client.events)).toEqual(["agent_started", "agent_completed"]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("keeps a ledger that balances, for one user, one tenant's user, and all (L10)", async () => {
    await using runcast = await testRuncast();
    await runcast.notify({ userId: "alice", type: "x.a", data: {} });
    await runcast.notify({ userId: "alice", tenantId: "acme", type: "x.b", data: {} });
    const tab = await runcast.connect({ userId: "alice", tenantId: "acme" }, { from: "start" });
    tab.ack();
    await runcast.settle();
    expect(await runcast.ledger("alice")).toMatchObject({ accepted: 1, acked: 0, stored: 1, difference: 0 });
    const acme = { userId: "alice", tenantId: "acme" };
    expect(await runcast.ledger(acme)).toMatchObject({ accepted: 1, acked: 1, stored: 0, difference: 0 });
    expect(await runcast.ledger()).toMatchObject({ accepted: 2, acked: 1, stored: 1, difference: 0 });
    expect(types(await runcast.events("alice", "acme"))).toEqual(["x.b"]);
  });

  it("tells what the process told its operator", async () => {
    const auth = () => Promise.reject(new Error("the session store is down"));
    await using runcast = await testRuncast({ auth });
    const client = runcast.dial("alice");
    await expect(client.hello()).rejects.toThrow("1013");
    expect(runcast.journal).toContainEqual(expect.objectContaining({ level: "warn", what: "auth.checkFailed" }));
  });
});
