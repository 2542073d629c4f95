import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { EventInput } from "../../protocol/event.ts";
import { AiSdkMapper } from "../../src/runners/ai-sdk-mapper.ts";
import type { AiSdkPart } from "../../src/runners/ai-sdk-signal.ts";
import { RecordingRun } from "../support/recording-run.ts";

interface Signal {
  readonly k: "part" | "hook" | "end";
  readonly t?: string;
  readonly id?: string;
  readonly name?: string;
  readonly out?: string;
  readonly fr?: string;
  readonly pe?: boolean;
  readonly invalid?: boolean;
  readonly auto?: boolean;
  readonly ok?: boolean;
  readonly err?: string;
}

interface Trace {
  readonly runner: string;
  readonly scenario: string;
  readonly expectedEnd: string;
  readonly signals: readonly Signal[];
}

const traces = readFileSync(new URL("../recordings/traces.ndjson", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Trace)
  .filter(({ runner }) => runner === "ai");

/** The part as AI SDK would give it: the recording keeps types and ids, not payloads. */
function partOf({ t: type = "", id, name, pe, invalid, auto, fr }: Signal): AiSdkPart {
  if (type === "tool-approval-request")
    return {
      type,
      approvalId: `approve-${id}`,
      toolCall: { toolCallId: id ?? "", toolName: name ?? "appr" },
      isAutomatic: auto,
    };
  if (type.startsWith("tool-input")) return { type, id, toolName: name, delta: "{}" };
  if (type.startsWith("tool-"))
    return { type, toolCallId: id, toolName: name, providerExecuted: pe, invalid, output: "out", error: "bad" };
  if (type === "finish") return { type, finishReason: fr };
  return { type, id, text: "word ", error: new Error("the model broke") };
}

/** Plays a trace; with `hooks` off, as an application that wired none would see it. */
async function replay({ signals }: Trace, run: RecordingRun, hooks: boolean): Promise<string> {
  const mapper = new AiSdkMapper({ hooks });
  const write = async (events: readonly EventInput[]) => {
    if (events.length > 0) await run.emit(events);
  };
  let last: string | undefined;
  for (const signal of signals) {
    const { k, t, id = "", name = "", out = "tool-result" } = signal;
    if (k === "hook" && hooks) {
      const toolCall = { toolCallId: id, toolName: name };
      if (t === "onToolExecutionStart") await write(mapper.executionStarted({ toolCall }));
      if (t === "onToolExecutionEnd")
        await write(mapper.executionEnded({ toolCall, toolOutput: { type: out, output: "out", error: "bad" } }));
    }
    if (k === "part") {
      await write(mapper.part(partOf(signal)));
      // The time that passes before the next part, as far as the trace can tell.
      if (t !== "tool-call" || last === "tool-call") await write(mapper.settle());
    }
    if (k === "end") {
      const { events, outcome } = mapper.end(signal.ok ? {} : { thrown: { error: new Error(signal.err) } });
      await write(events);
      // Hooks that come after the end must say nothing: after a terminal the run refuses every word.
      await write(mapper.executionStarted({ toolCall: { toolCallId: "late", toolName: "late" } }));
      return outcome.state;
    }
    last = t;
  }
  throw new Error("the trace has no end");
}

describe("ai-sdk mapper", () => {
  it("has the recorded traces of the AI SDK to play", () => {
    expect(traces.length).toBeGreaterThanOrEqual(14);
  });

  for (const trace of traces) {
    it(`plays "${trace.scenario}" as a legal word that ends ${trace.expectedEnd}`, async () => {
      const run = new RecordingRun();
      expect(await replay(trace, run, true)).toBe(trace.expectedEnd);
      expect(run.state).toBe(trace.expectedEnd);
    });

    it(`plays "${trace.scenario}" without hooks as a legal word that ends ${trace.expectedEnd}`, async () => {
      const run = new RecordingRun();
      expect(await replay(trace, run, false)).toBe(trace.expectedEnd);
      expect(run.state).toBe(trace.expectedEnd);
    });
  }

  const played = async (scenario: string) => {
    const trace = traces.find((candidate) => candidate.scenario.startsWith(scenario));
    if (trace === undefined) throw new Error(`no trace "${scenario}"`);
    const run = new RecordingRun();
    await replay(trace, run, true);
    return run;
  };

  it("says each tool's execution and end once, though hook and stream both tell of it", async () => {
    const run = await played("parallel tools");
    expect(run.of("tool_executing").map(({ data }) => data.toolCallId)).toEqual(["c1", "c2"]);
    expect(run.of("tool_completed").map(({ data }) => data.toolCallId)).toEqual(["c2", "c1"]);
  });

  it("never says that an invalid or a denied call executed", async () => {
    const invalid = await played("invalid tool input");
    expect(invalid.of("tool_executing")).toEqual([]);
    expect(invalid.of("tool_completed").map(({ data }) => data.status)).toEqual(["error", "error"]);
    const denied = await played("approval: resume denied");
    expect(denied.of("tool_executing")).toEqual([]);
    expect(denied.of("tool_completed").map(({ data }) => data.status)).toEqual(["denied"]);
  });

  it("asks for the approvals that are open at the end, and not for the automatic ones", async () => {
    const run = await played("approval");
    expect(run.of("agent_suspended").map(({ data }) => data)).toEqual([
      { reason: "approval", approvals: [{ approvalId: "approve-c1", toolCallId: "c1", prompt: "Run appr?" }] },
    ]);
  });

  it("waits for a client when the client's tool is open, and completes when only the step cap ended it", async () => {
    const waiting = await played("client-side tool");
    expect(waiting.of("agent_suspended")[0]?.data.reason).toBe("client_tools");
    const capped = await played("finish length / step cap");
    expect(capped.types.at(-1)).toBe("agent_completed");
  });

  it("fails with the model's error although the source finishes with stop after it", async () => {
    const run = await played("stream error part mid text");
    expect(run.of("agent_failed")[0]?.data.error).toEqual({ code: "model_error", message: "the model broke" });
  });

  it("fails when the stream just stops: an end is never a completion", () => {
    const mapper = new AiSdkMapper({ hooks: true });
    mapper.part({ type: "start-step" });
    mapper.part({ type: "text-delta", id: "t", text: "half a sen" });
    expect(mapper.end().outcome).toMatchObject({ state: "failed", error: { code: "source_ended" } });
  });

  it("counts a new attempt when a model uses a call id again", async () => {
    const run = new RecordingRun();
    const mapper = new AiSdkMapper({ hooks: true });
    const toolCall = { toolCallId: "call_0", toolName: "look" };
    for (let step = 0; step < 2; step += 1) {
      await run.emit(mapper.part({ type: "start-step" }));
      await run.emit(mapper.part({ type: "tool-call", ...toolCall }));
      await run.emit(mapper.executionStarted({ toolCall }));
      await run.emit(mapper.executionEnded({ toolCall, toolOutput: { type: "tool-result", output: step } }));
    }
    mapper.part({ type: "finish", finishReason: "stop" });
    await run.emit(mapper.end().events);
    expect(run.of("tool_executing").map(({ data }) => data.attempt)).toEqual([undefined, 2]);
    expect(run.of("tool_completed").map(({ data }) => data.result)).toEqual([0, 1]);
    expect(run.state).toBe("completed");
  });

  it("keeps two texts apart that the provider gives the same id", () => {
    const mapper = new AiSdkMapper({ hooks: true, messagePrefix: "p." });
    const ids = [1, 2].flatMap(() => {
      mapper.part({ type: "start-step" });
      return mapper.part({ type: "text-delta", id: "txt-0", text: "hello" }).map(({ data }) => data["messageId"]);
    });
    expect(new Set(ids).size).toBe(2);
  });

  it("makes one message of the blocks that a provider cuts a text into, and two around a tool", () => {
    const mapper = new AiSdkMapper({ hooks: true });
    const block = (id: string, text: string) => [
      { type: "text-start", id },
      { type: "text-delta", id, text },
      { type: "text-end", id },
    ];
    const parts = [
      ...block("0", "The store "),
      { type: "source", id: "s1" },
      ...block("1", "reopened."),
      { type: "tool-call", toolCallId: "c", toolName: "look" },
      ...block("2", "So it is."),
      { type: "finish-step" },
    ];
    const events = parts.flatMap((part) => mapper.part(part));
    const messages = events.filter(({ type }) => type === "agent_message");
    expect(messages.map(({ data }) => data["text"])).toEqual(["The store reopened.", "So it is."]);
    const deltas = events.filter(({ type }) => type === "agent_delta");
    expect(new Set(deltas.map(({ data }) => data["messageId"])).size).toBe(2);
  });

  it("shows a generator tool's results as progress and its last as the end", async () => {
    const run = new RecordingRun();
    const mapper = new AiSdkMapper({ hooks: true });
    const toolCall = { toolCallId: "g", toolName: "count" };
    await run.emit(mapper.part({ type: "tool-call", ...toolCall }));
    await run.emit(mapper.executionStarted({ toolCall }));
    await run.emit(mapper.part({ type: "tool-result", ...toolCall, output: 1, preliminary: true }));
    await run.emit(mapper.part({ type: "tool-result", ...toolCall, output: 2, preliminary: true }));
    await run.emit(mapper.part({ type: "tool-result", ...toolCall, output: 2 }));
    expect(run.types.slice(1)).toEqual([
      "tool_proposed",
      "tool_executing",
      "tool_progress",
      "tool_progress",
      "tool_completed",
    ]);
  });

  it("closes a call without a result before it completes", async () => {
    const run = new RecordingRun();
    const mapper = new AiSdkMapper({ hooks: true });
    await run.emit(mapper.part({ type: "tool-call", toolCallId: "p", toolName: "search", providerExecuted: true }));
    await run.emit(mapper.settle());
    mapper.part({ type: "finish", finishReason: "stop" });
    await run.emit(mapper.end().events);
    expect(run.of("tool_completed").map(({ data }) => data.status)).toEqual(["cancelled"]);
    expect(run.state).toBe("completed");
  });
});
