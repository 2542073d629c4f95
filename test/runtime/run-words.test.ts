import { describe, expect, it } from "vitest";
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import { asRunId } from "../../protocol/ids.ts";
import { Contaminated, Fenced, LogUnavailable, RunEnded } from "../../src/errors.ts";
import { RunWords } from "../../src/runtime/run-words.ts";

const answer: PublishAnswer = { seq: 1, offset: 1, duplicates: 0 };

/** A run whose words are heard, and refused as the test says. */
class HeardRun extends RunWords {
  readonly runId = asRunId("r");
  readonly fence = 1;
  readonly signal = new AbortController().signal;
  readonly state = "thinking";
  readonly heard: EventInput[] = [];
  refuse: (event: EventInput) => Error | undefined = () => undefined;

  constructor() {
    let ids = 0;
    super(() => `id-${(ids += 1)}`);
  }

  async emit(events: EventInput | readonly EventInput[]): Promise<PublishAnswer> {
    for (const event of [events].flat() as EventInput[]) {
      this.heard.push(event);
      const refusal = this.refuse(event);
      if (refusal !== undefined) throw refusal;
    }
    return answer;
  }

  async heartbeat(): Promise<void> {}
}

const said = async (say: (run: HeardRun) => Promise<unknown>): Promise<unknown> => {
  const run = new HeardRun();
  await say(run);
  // As it is written: what is undefined is not there.
  return JSON.parse(JSON.stringify(run.heard));
};

describe("the words of a run", () => {
  it.each<[string, (run: HeardRun) => Promise<unknown>, object]>([
    ["thinking", (run) => run.thinking(), { type: "agent_thinking", data: {} }],
    ["a thought", (run) => run.thinking("hm", 2), { type: "agent_thinking", data: { thought: "hm", step: 2 } }],
    [
      "a delta",
      (run) => run.delta("m", "x"),
      { type: "agent_delta", data: { messageId: "m", channel: "text", text: "x" } },
    ],
    [
      "a reasoning delta",
      (run) => run.delta("m", "x", "reasoning"),
      { type: "agent_delta", data: { messageId: "m", channel: "reasoning", text: "x" } },
    ],
    [
      "a message",
      (run) => run.message("m", "x"),
      { type: "agent_message", data: { messageId: "m", role: "assistant", channel: "text", text: "x" } },
    ],
    ["its end", (run) => run.completed(), { type: "agent_completed", data: {} }],
    [
      "its end with what came of it",
      (run) => run.completed("out", { tokens: 3 }),
      { type: "agent_completed", data: { output: "out", usage: { tokens: 3 } } },
    ],
    [
      "its failure",
      (run) => run.failed({ code: "c", message: "m" }),
      { type: "agent_failed", data: { error: { code: "c", message: "m", retryable: false } } },
    ],
    [
      "a passing failure",
      (run) => run.failed({ code: "c", message: "m", retryable: true }),
      { type: "agent_failed", data: { error: { code: "c", message: "m", retryable: true } } },
    ],
    ["its cancellation", (run) => run.cancelled(), { type: "agent_cancelled", data: { by: "runner" } }],
    [
      "why it was cancelled",
      (run) => run.cancelled("late"),
      { type: "agent_cancelled", data: { by: "runner", reason: "late" } },
    ],
    ["a wait", (run) => run.suspended({ reason: "asks" }), { type: "agent_suspended", data: { reason: "asks" } }],
    ["its going on", (run) => run.resumed(), { type: "agent_resumed", data: {} }],
    ["what was decided", (run) => run.resumed([1]), { type: "agent_resumed", data: { decisions: [1] } }],
  ])("say %s", async (_, say, event) => {
    expect(await said(say)).toEqual([event]);
  });

  it("tell a tool's call and its result, each under a key of its own", async () => {
    const run = new HeardRun();
    expect(await run.tool({ toolName: "add", args: [1, 2], attempt: 2 }, async () => 3)).toBe(3);
    expect(run.heard).toEqual([
      { type: "tool_executing", data: { toolCallId: "id-1", toolName: "add", args: [1, 2], attempt: 2 }, key: "id-2" },
      { type: "tool_completed", data: { toolCallId: "id-1", status: "ok", result: 3 }, key: "id-3" },
    ]);
    expect(await said((other) => other.tool({ toolName: "now", toolCallId: "c" }, () => undefined))).toMatchObject([
      { data: { toolCallId: "c", toolName: "now" } },
      { data: { toolCallId: "c", status: "ok" } },
    ]);
  });

  it("tell how a tool failed, and fail as it did, also when nobody hears of it any more", async () => {
    for (const [cause, message] of [
      [new Error("no net"), "no net"],
      ["text", "text"],
    ] as const)
      for (const refusal of [undefined, new RunEnded({ state: "cancelled" })]) {
        const run = new HeardRun();
        run.refuse = ({ type }) => (type === "tool_completed" ? refusal : undefined);
        await expect(run.tool({ toolName: "t" }, () => Promise.reject(cause))).rejects.toBe(cause);
        expect(run.heard.at(-1)).toMatchObject({ data: { status: "error", error: { message } } });
      }
  });

  it("close a call as failed whose result may not be written", async () => {
    const run = new HeardRun();
    const refusal = new Contaminated({ path: "result", message: "names another" });
    run.refuse = ({ type, data }) => (type === "tool_completed" && "result" in data ? refusal : undefined);
    await expect(run.tool({ toolName: "t" }, () => "theirs")).rejects.toBe(refusal);
    expect(run.heard.map(({ type, data }) => ("status" in data ? data.status : type))).toEqual([
      "tool_executing",
      "ok",
      "error",
    ]);
  });

  it("call no tool failed whose result was lost with the run, or nobody knows of", async () => {
    const silent = new LogUnavailable({ message: "silence", retryAfterMs: 0 });
    for (const lost of [silent, new RunEnded({ state: "failed" }), new Fenced({ message: "another" })]) {
      const run = new HeardRun();
      run.refuse = ({ type }) => (type === "tool_completed" ? lost : undefined);
      await expect(run.tool({ toolName: "t" }, () => 1)).rejects.toBe(lost);
      expect(new Set(run.heard.slice(1).map(({ data }) => ("status" in data ? data.status : "")))).toEqual(
        new Set(["ok"]),
      );
    }
  });
});
