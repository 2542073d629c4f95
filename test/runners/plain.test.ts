import { describe, expect, it } from "vitest";
import { Fenced, LogUnavailable } from "../../src/errors.ts";
import { runAgent } from "../../src/runners/plain.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { RecordingRun } from "../support/recording-run.ts";

describe("plain runner", () => {
  it("completes with what the function resolves to", async () => {
    const run = new RecordingRun();
    const outcome = await runAgent(run, async (ctx) => {
      await ctx.thinking("what is six times seven?");
      const product = await ctx.tool("multiply", () => 6 * 7);
      await ctx.message("m1", `It is ${product}.`);
      return { product };
    });
    expect(outcome).toEqual({ state: "completed", output: { product: 42 } });
    expect(run.types).toEqual([
      "agent_started",
      "agent_thinking",
      "tool_executing",
      "tool_completed",
      "agent_message",
      "agent_completed",
    ]);
  });

  it("fails with what it rejects with, and shows no stack", async () => {
    const run = new RecordingRun();
    const outcome = await runAgent(run, async () => {
      throw new RangeError("too far");
    });
    expect(outcome).toEqual({ state: "failed", error: { code: "range_error", message: "too far" } });
    expect(run.state).toBe("failed");
    expect(JSON.stringify(run.events)).not.toContain("plain.test");
  });

  it("survives a tool that fails, if the function does", async () => {
    const run = new RecordingRun();
    const outcome = await runAgent(run, async (ctx) => {
      const found = await ctx.tool("look", () => Promise.reject(new Error("offline"))).catch(() => "nothing");
      return found;
    });
    expect(outcome).toEqual({ state: "completed", output: "nothing" });
    expect(run.of("tool_completed")[0]?.data.status).toBe("error");
  });

  it("waits for the tools that still run when the function is done", async () => {
    const run = new RecordingRun();
    let finish = (_value: string) => {};
    const slow = new Promise<string>((resolve) => {
      finish = resolve;
    });
    const done = runAgent(run, (ctx) => {
      void ctx.tool("slow", () => slow);
      return "early";
    });
    await Promise.resolve();
    expect(run.state).toBe("toolExecuting");
    finish("late");
    expect(await done).toEqual({ state: "completed", output: "early" });
    expect(run.types.at(-2)).toBe("tool_completed");
  });

  it("stops its other tools when it rejects, and says how they ended before it says that it failed", async () => {
    const run = new RecordingRun();
    const outcome = await runAgent(run, (ctx) =>
      Promise.all([
        ctx.tool({ toolName: "bad", toolCallId: "1" }, () => Promise.reject(new RangeError("too far"))),
        ctx.tool(
          { toolName: "slow", toolCallId: "2" },
          (signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve("stopped"))),
        ),
      ]),
    );
    expect(outcome).toMatchObject({ state: "failed", error: { code: "range_error" } });
    expect(run.types.slice(-3)).toEqual(["tool_completed", "tool_completed", "agent_failed"]);
  });

  it("waits 5 s for a tool that does not stop, and then fails without it", async () => {
    const run = new RecordingRun();
    const clock = manualClock();
    const done = runAgent(
      run,
      async (ctx) => {
        ctx.tool("deaf", () => new Promise(() => {})).catch(() => {});
        await Promise.reject(new Error("no"));
      },
      { clock },
    );
    await clock.advance(4_900);
    expect(run.state).toBe("toolExecuting");
    await clock.advance(200);
    expect(await done).toMatchObject({ state: "failed" });
    expect(run.state).toBe("failed");
  });

  it("repeats an end of unknown outcome with its key, and does not make another of it", async () => {
    const run = new RecordingRun();
    const clock = manualClock();
    const keys: unknown[] = [];
    run.before = ([event]) => {
      keys.push(event?.key);
      if (keys.length <= 4) throw new LogUnavailable({ message: "lost", retryAfterMs: 1_000 });
    };
    const done = runAgent(run, () => "out", { clock });
    await clock.advance(2_000);
    expect(await done).toEqual({ state: "completed", output: "out" });
    expect(new Set(keys).size).toBe(1);
    expect(keys).toHaveLength(5);
    expect(run.types).toEqual(["agent_started", "agent_completed"]);
  });

  for (const settles of ["resolves", "rejects"]) {
    it(`cancels when the run was asked to stop and the function ${settles}`, async () => {
      const run = new RecordingRun();
      const done = runAgent(run, async (ctx) => {
        await new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve()));
        if (settles === "rejects") ctx.signal.throwIfAborted();
      });
      run.abort.abort(new DOMException("enough", "AbortError"));
      expect(await done).toEqual({ state: "cancelled", reason: "enough" });
      expect(run.state).toBe("cancelled");
    });
  }

  it("fails for an event that was refused while nobody waited for it", async () => {
    const run = new RecordingRun();
    const outcome = await runAgent(run, async (ctx) => {
      void ctx.delta("", "to no message");
      void ctx.thinking();
      return "as if nothing had happened";
    });
    expect(outcome).toMatchObject({ state: "failed", error: { code: "invalid_event" } });
    expect(run.types).toEqual(["agent_started", "agent_thinking", "agent_failed"]);
  });

  it("leaves to the function a refusal that it has heard, however it listens", async () => {
    const run = new RecordingRun();
    const heard: unknown[] = [];
    const outcome = await runAgent(run, async (ctx) => {
      await ctx.delta("", "no").catch((cause: unknown) => heard.push(cause));
      await Promise.allSettled([ctx.message("", "no")]).then(([settled]) => heard.push(settled.status));
      const later = ctx.message("", "no").finally(() => heard.push("finally"));
      await expect(later).rejects.toMatchObject({ _tag: "InvalidInput" });
      return heard.length;
    });
    expect(outcome).toEqual({ state: "completed", output: 3 });
  });

  it("goes on after it has refused to stop, and how it settles counts", async () => {
    const run = new RecordingRun();
    const outcome = await runAgent(run, async (ctx) => {
      await run.emit({ type: "cancel_requested", data: {} });
      run.abort.abort();
      await ctx.refuseStop("nearly done");
      return "done";
    });
    expect(outcome).toEqual({ state: "completed", output: "done" });
    expect(run.of("cancel_refused")[0]?.data).toEqual({ reason: "nearly done" });
  });

  it("has refused nothing when nobody has asked", async () => {
    const run = new RecordingRun();
    const outcome = await runAgent(run, async (ctx) => {
      await ctx.refuseStop().catch(() => {});
      run.abort.abort(new DOMException("enough", "AbortError"));
      return "done";
    });
    expect(outcome).toEqual({ state: "cancelled", reason: "enough" });
  });

  it("is lost, and writes no more, when another runner holds the run", async () => {
    const run = new RecordingRun();
    const fenced = new Fenced({ message: "claimed" });
    run.before = () => {
      throw fenced;
    };
    expect(await runAgent(run, (ctx) => ctx.thinking())).toEqual({ state: "lost", error: fenced });
    expect(run.types).toEqual(["agent_started"]);
  });

  it("leaves no open run behind when completing is refused", async () => {
    const run = new RecordingRun();
    const never = runAgent(run, () => {
      // Behind the context's back: nobody waits for it.
      void run.tool({ toolName: "hidden" }, () => new Promise(() => {}));
    });
    await expect(never).rejects.toMatchObject({ _tag: "IllegalTransition" });
    expect(run.state).toBe("failed");
  });
});
