import { describe, expect, it } from "vitest";
import type { EventInput } from "../../protocol/event.ts";
import { Contaminated, Fenced, IllegalTransition, LogUnavailable, SeqConflict } from "../../src/errors.ts";
import { RunWriter } from "../../src/runners/run-writer.ts";
import { RecordingRun } from "../support/recording-run.ts";

const delta = (text: string, messageId = "m"): EventInput => ({
  type: "agent_delta",
  data: { messageId, channel: "text", text },
});
const thinking: EventInput = { type: "agent_thinking", data: {} };
const unavailable = () => new LogUnavailable({ message: "no answer", retryAfterMs: 0 });

/** A run whose first publish hangs until it is let go. */
function slowRun() {
  const run = new RecordingRun();
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let reached = () => {};
  const isWriting = new Promise<void>((resolve) => {
    reached = resolve;
  });
  run.before = () => {
    reached();
    return gate;
  };
  return { run, letGo, isWriting };
}

describe("run writer", () => {
  it("merges the tokens of one message that arrive while a write is in flight", async () => {
    const { run, letGo, isWriting } = slowRun();
    const writer = new RunWriter(run);
    writer.push([thinking]);
    await isWriting;
    for (const text of ["a", "b", "c"]) writer.push([delta(text)]);
    writer.push([delta("x", "other"), delta("d"), thinking, delta("e")]);
    const flushed = writer.flushed();
    letGo();
    await flushed;
    expect(run.of("agent_delta").map(({ data }) => data.text)).toEqual(["abc", "x", "d", "e"]);
    expect(run.types.slice(1)).toEqual([
      "agent_thinking",
      "agent_delta",
      "agent_delta",
      "agent_delta",
      "agent_thinking",
      "agent_delta",
    ]);
    expect(run.batches).toEqual([1, 1, 5]);
  });

  it("holds tokens back for the window, and nothing else", async () => {
    const run = new RecordingRun();
    let nowMs = 0;
    const timers: (() => void)[] = [];
    const clock = {
      now: () => nowMs,
      mono: () => nowMs,
      after: (_delayMs: number, task: () => void) => {
        timers.push(task);
        return () => {};
      },
      random: (count: number) => new Uint8Array(count),
    };
    const writer = new RunWriter(run, { clock, deltaWindowMs: 50 });
    writer.push([thinking]);
    await writer.flushed();
    writer.push([delta("a")]);
    writer.push([delta("b")]);
    await Promise.resolve();
    expect(run.of("agent_delta")).toEqual([]);
    expect(timers).toHaveLength(1);
    nowMs = 50;
    timers[0]?.();
    await writer.flushed();
    expect(run.of("agent_delta").map(({ data }) => data.text)).toEqual(["ab"]);
    writer.push([delta("c")]);
    writer.push([thinking]);
    await writer.flushed();
    expect(run.types.slice(-2)).toEqual(["agent_delta", "agent_thinking"]);
  });

  it("writes a batch again under the same keys when its outcome is unknown", async () => {
    const run = new RecordingRun();
    const tried: (string | undefined)[][] = [];
    run.before = (batch) => {
      tried.push(batch.map(({ key }) => key));
      if (tried.length === 1) throw unavailable();
      if (tried.length === 2) throw new SeqConflict({ seq: 7 });
    };
    const writer = new RunWriter(run);
    writer.push([thinking, delta("a")]);
    await writer.flushed();
    expect(tried).toHaveLength(3);
    expect(tried[1]).toEqual(tried[0]);
    expect(tried[2]).toEqual(tried[0]);
    expect(new Set(tried[0]).size).toBe(2);
    expect(run.types.slice(1)).toEqual(["agent_thinking", "agent_delta"]);
  });

  it("keeps the order of what came during the retries", async () => {
    const run = new RecordingRun();
    let failures = 2;
    const writer = new RunWriter(run);
    run.before = () => {
      if (failures === 0) return;
      failures -= 1;
      writer.push([delta(`during ${failures};`)]);
      throw unavailable();
    };
    writer.push([delta("first;")]);
    await writer.flushed();
    expect(
      run
        .of("agent_delta")
        .map(({ data }) => data.text)
        .join(""),
    ).toBe("first;during 1;during 0;");
  });

  it("withholds a payload that names another user, and keeps the fact", async () => {
    const run = new RecordingRun();
    run.before = (batch) => {
      const index = batch.findIndex(({ data }) => JSON.stringify(data).includes("mallory"));
      if (index >= 0) throw new Contaminated({ path: `events[${index}].data.result.userId`, message: "not yours" });
    };
    const writer = new RunWriter(run);
    writer.push([
      { type: "tool_executing", data: { toolCallId: "c", toolName: "crm" } },
      { type: "tool_completed", data: { toolCallId: "c", status: "ok", result: { userId: "mallory" } } },
      { type: "agent_completed", data: { output: "done" } },
    ]);
    await writer.flushed();
    expect(run.of("tool_completed")[0]?.data).toEqual({
      toolCallId: "c",
      status: "ok",
      withheld: "data.result.userId",
    });
    expect(run.state).toBe("completed");
  });

  for (const error of [
    new Fenced({ message: "claimed" }),
    new IllegalTransition({ index: 0, state: "started", event: "x.a", legal: [], message: "no" }),
  ]) {
    it(`stops for good after ${error._tag}, says so once and lets nobody wait`, async () => {
      const run = new RecordingRun();
      let tries = 0;
      run.before = () => {
        tries += 1;
        throw error;
      };
      const heard: unknown[] = [];
      const writer = new RunWriter(run, { onBroken: (cause) => heard.push(cause) });
      writer.push([thinking]);
      await writer.flushed();
      writer.push([thinking]);
      await writer.flushed();
      await writer.room();
      expect(heard).toEqual([error]);
      expect(tries).toBe(1);
    });
  }

  it("asks the source to wait when too much is queued", async () => {
    const { run, letGo, isWriting } = slowRun();
    const writer = new RunWriter(run);
    writer.push([thinking]);
    await isWriting;
    for (let index = 0; index < 300; index += 1) writer.push([delta("x", `m${index}`)]);
    let hasRoom = false;
    const room = writer.room().then(() => {
      hasRoom = true;
    });
    await Promise.resolve();
    expect(hasRoom).toBe(false);
    letGo();
    await room;
    await writer.flushed();
    expect(run.of("agent_delta")).toHaveLength(300);
  });
});
