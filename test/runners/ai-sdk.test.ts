/** The driver with the real AI SDK and a scripted model: the contract that `runcast/ai-sdk` stands on. */
import { isStepCount, streamText, tool, ToolLoopAgent } from "ai";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";
import { describe, expect, it } from "vitest";
import * as z from "zod/mini";
import { Fenced, IllegalTransition } from "../../src/errors.ts";
import { runAiSdk } from "../../src/runners/ai-sdk.ts";
import { RecordingRun } from "../support/recording-run.ts";

type Model = ConstructorParameters<typeof MockLanguageModelV4>[0] & object;
type DoStream = Exclude<Model["doStream"], undefined>;
type Part =
  Awaited<ReturnType<Extract<DoStream, (...args: never) => unknown>>>["stream"] extends ReadableStream<infer P>
    ? P
    : never;

const usage = {
  inputTokens: { total: 3, noCache: 3, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 4, text: 4, reasoning: undefined },
};
const finish = (unified: "stop" | "tool-calls"): Part => ({
  type: "finish",
  finishReason: { unified, raw: unified },
  usage,
});
const text = (...words: string[]): Part[] => [
  { type: "text-start", id: "0" },
  ...words.map((delta): Part => ({ type: "text-delta", id: "0", delta })),
  { type: "text-end", id: "0" },
];
const call = (toolCallId: string, toolName: string, input = "{}"): Part[] => [
  { type: "tool-input-start", id: toolCallId, toolName },
  { type: "tool-input-delta", id: toolCallId, delta: input },
  { type: "tool-input-end", id: toolCallId },
  { type: "tool-call", toolCallId, toolName, input },
];

/** A model that says one step after the other. */
function scripted(...steps: Part[][]): MockLanguageModelV4 {
  let next = 0;
  return new MockLanguageModelV4({
    doStream: async () => {
      const chunks = steps[next];
      next += 1;
      if (chunks === undefined) throw new Error("the script has no such step");
      return { stream: simulateReadableStream({ chunks: [{ type: "stream-start", warnings: [] }, ...chunks] }) };
    },
  });
}

const empty = z.object({});
const tools = {
  fast: tool({ inputSchema: empty, execute: () => ({ answer: 42 }) }),
  bad: tool({
    inputSchema: empty,
    execute: (): string => {
      throw new Error("out of order");
    },
  }),
  client: tool({ inputSchema: empty }),
  risky: tool({ inputSchema: empty, needsApproval: true, execute: () => "done" }),
};
const stopWhen = isStepCount(5);
const onError = () => {};

describe("ai-sdk runner", () => {
  it("carries a tool loop: thinking, parallel tools, results, text, completion", async () => {
    const run = new RecordingRun();
    const model = scripted(
      [...call("c1", "fast"), ...call("c2", "bad"), finish("tool-calls")],
      [...text("It is ", "42."), finish("stop")],
    );
    const outcome = await runAiSdk(run, (wiring) => streamText({ ...wiring, model, tools, stopWhen, prompt: "?" }));
    expect(outcome).toMatchObject({ state: "completed", output: "It is 42." });
    expect(run.of("agent_thinking").map(({ data }) => data.step)).toEqual([1, 2]);
    expect(run.of("tool_executing").map(({ data }) => data.toolCallId)).toEqual(["c1", "c2"]);
    const ends = run.of("tool_completed").map(({ data }) => [data.toolCallId, data.status, data.result, data.error]);
    expect(ends).toHaveLength(2);
    expect(ends).toContainEqual(["c1", "ok", { answer: 42 }, undefined]);
    expect(ends).toContainEqual(["c2", "error", undefined, { code: "tool_error", message: "out of order" }]);
    expect(run.of("agent_message").map(({ data }) => data.text)).toEqual(["It is 42."]);
    expect(run.of("agent_completed")[0]?.data.usage).toMatchObject({ outputTokens: 8 });
  });

  it("carries an agent, and a result that was made without the wiring", async () => {
    const script = () => scripted([...call("c1", "fast"), finish("tool-calls")], [...text("ok"), finish("stop")]);
    const agents = new RecordingRun();
    const agent = new ToolLoopAgent({ model: script(), tools });
    expect(await runAiSdk(agents, (wiring) => agent.stream({ ...wiring, prompt: "?" }))).toMatchObject({
      output: "ok",
    });
    const bare = new RecordingRun();
    await runAiSdk(bare, streamText({ model: script(), tools, stopWhen, prompt: "?" }));
    const lifecycle = (run: RecordingRun) => run.types.filter((type) => /^tool_|_(completed|started)$/.test(type));
    expect(lifecycle(agents)).toEqual(lifecycle(bare));
    expect(bare.types).toContain("tool_executing");
  });

  it("has written tool_executing before the tool has any effect", async () => {
    const run = new RecordingRun();
    let seen: string[] = [];
    const look = tool({
      inputSchema: empty,
      execute: () => {
        seen = [...run.types];
        return "x";
      },
    });
    const model = scripted([...call("c1", "look"), finish("tool-calls")], [...text("ok"), finish("stop")]);
    await runAiSdk(run, (wiring) => streamText({ ...wiring, model, tools: { look }, stopWhen, prompt: "?" }));
    expect(seen).toContain("tool_executing");
  });

  it("suspends for an approval and goes on in the same run", async () => {
    const run = new RecordingRun();
    const model = scripted([...call("c1", "risky"), finish("tool-calls")], [...text("Done."), finish("stop")]);
    const messages: NonNullable<Parameters<typeof streamText>[0]["messages"]> = [{ role: "user", content: "do it" }];
    let first: { responseMessages: PromiseLike<typeof messages> } | undefined;
    const outcome = await runAiSdk(run, (wiring) => {
      const result = streamText({ ...wiring, model, tools, stopWhen, messages });
      first = result;
      return result;
    });
    expect(outcome).toEqual({ state: "suspended", reason: "approval" });
    expect(run.types).not.toContain("tool_executing");
    const approvalId = run.of("agent_suspended")[0]?.data.approvals?.[0]?.approvalId ?? "";
    messages.push(...((await first?.responseMessages) ?? []));
    messages.push({ role: "tool", content: [{ type: "tool-approval-response", approvalId, approved: true }] });
    await run.emit({ type: "approval_resolved", data: { approvalId, decision: "approve" } });
    const resumed = await runAiSdk(run, (wiring) => streamText({ ...wiring, model, tools, stopWhen, messages }));
    expect(resumed).toMatchObject({ state: "completed", output: "Done." });
    const from = run.types.indexOf("agent_suspended");
    expect(run.types.slice(from).filter((type) => !/delta|message/.test(type))).toEqual([
      "agent_suspended",
      "approval_resolved",
      "agent_resumed",
      "tool_executing",
      "tool_completed",
      "agent_thinking",
      "agent_completed",
    ]);
  });

  it("suspends for a tool that only the client has", async () => {
    const run = new RecordingRun();
    const model = scripted([...call("c1", "client"), finish("tool-calls")]);
    const outcome = await runAiSdk(run, (wiring) => streamText({ ...wiring, model, tools, stopWhen, prompt: "?" }));
    expect(outcome).toEqual({ state: "suspended", reason: "client_tools" });
    expect(run.types).not.toContain("tool_executing");
  });

  it("fails with the error of the model, in the stream, in a later step and before the first", async () => {
    const scripts: Part[][][] = [
      [[...text("half"), { type: "error", error: new Error("broken") }, finish("stop")]],
      [[...call("c1", "fast"), finish("tool-calls")]],
      [],
    ];
    for (const script of scripts) {
      const run = new RecordingRun();
      const model = scripted(...script);
      const outcome = await runAiSdk(run, (wiring) =>
        streamText({ ...wiring, model, tools, stopWhen, prompt: "?", onError, maxRetries: 0 }),
      );
      expect(outcome).toMatchObject({
        state: "failed",
        error: { message: expect.stringMatching(/broken|no such step/) },
      });
      expect(run.state).toBe("failed");
    }
  });

  it("fails when the result cannot even be made", async () => {
    const run = new RecordingRun();
    const outcome = await runAiSdk(run, () => {
      throw new TypeError("no model");
    });
    expect(outcome).toEqual({ state: "failed", error: { code: "type_error", message: "no model" } });
  });

  it("cancels a run in the middle of a tool, which ends as cancelled", async () => {
    const run = new RecordingRun();
    const wait = tool({
      inputSchema: empty,
      execute: (_input, { abortSignal }) =>
        new Promise<string>((_resolve, reject) => {
          abortSignal?.addEventListener("abort", () => reject(new Error("stopped")));
          run.abort.abort(new DOMException("enough", "AbortError"));
        }),
    });
    const model = scripted([...call("c1", "wait"), finish("tool-calls")]);
    const outcome = await runAiSdk(run, (wiring) =>
      streamText({ ...wiring, model, tools: { wait }, stopWhen, prompt: "?" }),
    );
    expect(outcome.state).toBe("cancelled");
    expect(run.state).toBe("cancelled");
    expect(run.of("tool_completed").map(({ data }) => data.status)).toEqual(["cancelled"]);
  });

  it("stops the source when the run is lost, and writes no more", async () => {
    const run = new RecordingRun();
    const fenced = new Fenced({ message: "claimed" });
    run.before = (batch) => {
      if (batch.some(({ type }) => type === "tool_executing")) throw fenced;
    };
    let aborted = false;
    const model = scripted([...call("c1", "fast"), finish("tool-calls")], [...text("ok"), finish("stop")]);
    const outcome = await runAiSdk(run, (wiring) => {
      wiring.abortSignal.addEventListener("abort", () => {
        aborted = true;
      });
      return streamText({ ...wiring, model, tools, stopWhen, prompt: "?" });
    });
    expect(outcome).toEqual({ state: "lost", error: fenced });
    expect(aborted).toBe(true);
    expect(run.types).not.toContain("tool_completed");
  });

  it("rejects and ends the run as failed when an event is refused", async () => {
    const run = new RecordingRun();
    const refused = new IllegalTransition({
      index: 0,
      state: "started",
      event: "agent_delta",
      legal: [],
      message: "no",
    });
    run.before = (batch) => {
      if (batch.some(({ type }) => type === "agent_delta")) throw refused;
    };
    const model = scripted([...text("word"), finish("stop")]);
    await expect(runAiSdk(run, (wiring) => streamText({ ...wiring, model, prompt: "?" }))).rejects.toBe(refused);
    expect(run.state).toBe("failed");
  });

  it("fails as stalled when a source gives no sign of life", async () => {
    const run = new RecordingRun();
    const outcome = await runAiSdk(
      run,
      ({ abortSignal }) => ({
        stream: (async function* () {
          yield { type: "start-step" };
          await new Promise((_resolve, reject) => abortSignal.addEventListener("abort", reject));
        })(),
      }),
      { stallMs: 5 },
    );
    expect(outcome).toMatchObject({ state: "failed", error: { code: "stalled" } });
    expect(run.state).toBe("failed");
  });

  it("writes fewer rows than tokens when tokens come fast", async () => {
    const run = new RecordingRun();
    const words = Array.from({ length: 400 }, (_, index) => `w${index} `);
    const model = scripted([...text(...words), finish("stop")]);
    await runAiSdk(run, (wiring) => streamText({ ...wiring, model, prompt: "?" }));
    const deltas = run.of("agent_delta");
    expect(deltas.map(({ data }) => data.text).join("")).toBe(words.join(""));
    expect(deltas.length).toBeLessThan(words.length / 4);
  });
});
