/** The demo agent over the real AI SDK, the real provider packages and the real tools; only the models are recorded. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createDemoAgent, demoQuestions } from "../../src/demo/demo-agent.ts";
import { recordedLines } from "../../src/demo/recording.ts";
import { RecordingRun } from "../support/recording-run.ts";

const fast = { speed: Number.POSITIVE_INFINITY, env: {} };
const alice = { tenantId: "default", userId: "alice", threadId: "t1" };
const [parallel = "", docs = "", web = "", error = ""] = demoQuestions;

async function asked(text: string) {
  const run = new RecordingRun();
  const outcome = await createDemoAgent(fast).answer({ ...alice, run, text });
  return { run, outcome };
}

describe("demo agent", () => {
  it("says in its name that its model is recorded, and which model is not", () => {
    expect(createDemoAgent(fast).name).toBe("demo (recorded model)");
    const living = createDemoAgent({ env: { ANTHROPIC_API_KEY: "k", RUNCAST_DEMO_MODEL: "claude-x" } });
    expect([living.name, living.isRecorded]).toEqual(["demo (claude-x)", false]);
  });

  it("calculates and tells the time at once, and answers with what the tools returned", async () => {
    const { run, outcome } = await asked(parallel);
    expect(outcome.state).toBe("completed");
    expect(run.state).toBe("completed");
    expect(run.of("agent_thinking").length).toBeGreaterThanOrEqual(2);
    const lifecycle = run.types.filter((type) => type === "tool_executing" || type === "tool_completed");
    expect(lifecycle.slice(0, 3)).toEqual(["tool_executing", "tool_executing", "tool_executing"]);
    const results = run.of("tool_completed");
    expect(results.map(({ data }) => data.status)).toEqual(["ok", "ok", "ok"]);
    expect(results.map(({ data }) => data.result)).toContainEqual({ expression: "15% of 2,480", value: 372 });
    const answer = run.of("agent_message").find(({ data }) => data.channel === "text")?.data.text ?? "";
    expect(answer).toContain("15% of 2,480 = 372");
    expect(answer).toContain("Asia/Tokyo");
    expect(answer).toContain("recorded model");
    const deltas = run.of("agent_delta").filter(({ data }) => data.channel === "text");
    expect(deltas.map(({ data }) => data.text).join("")).toBe(answer);
    expect(new Set(run.of("agent_delta").map(({ data }) => data.channel))).toEqual(
      new Set(["reasoning", "tool_args", "text"]),
    );
  });

  it("searches the docs for what it does not know", async () => {
    const { run, outcome } = await asked(docs);
    expect(outcome.state).toBe("completed");
    expect(run.of("tool_completed")[0]?.data).toMatchObject({ status: "ok", result: { hits: expect.any(Array) } });
  });

  it("replays a web search that the provider ran itself", async () => {
    const { run, outcome } = await asked(web);
    expect(outcome.state).toBe("completed");
    expect(run.of("tool_executing").map(({ data }) => data.toolName)).toEqual(["web_search"]);
    expect(run.of("tool_completed").map(({ data }) => data.status)).toEqual(["ok"]);
    expect(run.of("agent_message")).toHaveLength(1);
    expect(run.of("agent_message")[0]?.data.text).toContain("Apple Ginza");
  });

  it("ends failed when the model fails in the middle of its answer", async () => {
    const { run, outcome } = await asked(error);
    expect(outcome).toMatchObject({ state: "failed", error: { message: expect.stringContaining("quota") } });
    expect(run.of("tool_completed").map(({ data }) => data.status)).toEqual(["ok"]);
    expect(run.of("agent_delta").some(({ data }) => data.channel === "text")).toBe(true);
    expect(run.types.at(-1)).toBe("agent_failed");
  });

  it("shows a tool's failure and still completes", async () => {
    const { run, outcome } = await asked("What is 1 / 0?");
    expect(outcome.state).toBe("completed");
    expect(run.of("tool_completed")[0]?.data).toMatchObject({
      status: "error",
      error: { code: "calculator_error", message: "divides by zero" },
    });
  });

  it("greets without a tool", async () => {
    const { run, outcome } = await asked("Hello!");
    expect(outcome.state).toBe("completed");
    expect(run.types).not.toContain("tool_proposed");
  });

  for (const moment of ["agent_delta", "tool_executing"] as const) {
    it(`ends cancelled when it is stopped at its first ${moment}`, async () => {
      const run = new RecordingRun();
      run.before = (batch) => {
        if (batch.some(({ type }) => type === moment)) run.abort.abort(new DOMException("stop", "AbortError"));
      };
      // Slow enough that much of the answer is still to come.
      const agent = createDemoAgent({ speed: 20, env: {} });
      const outcome = await agent.answer({ ...alice, run, text: parallel });
      expect(outcome.state).toBe("cancelled");
      expect(run.state).toBe("cancelled");
      expect(run.types).not.toContain("agent_completed");
    });
  }

  it("answers several users at once, each from their own question", async () => {
    const agent = createDemoAgent(fast);
    const answers = await Promise.all(
      [2, 3, 4].map(async (factor) => {
        const run = new RecordingRun();
        await agent.answer({ ...alice, userId: `u${factor}`, run, text: `What is ${factor} * 111?` });
        return run.of("agent_completed")[0]?.data.output;
      }),
    );
    expect(answers).toEqual([
      expect.stringContaining("= 222"),
      expect.stringContaining("= 333"),
      expect.stringContaining("= 444"),
    ]);
  });
});

describe("demo agent with a living model", () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** A chat-completions server that answers with the recorded text, and keeps what it was asked. */
  async function modelServer() {
    const asked: { authorization: string | undefined; messages: { role: string; content: unknown }[] }[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (data) => {
        body += String(data);
      });
      request.on("end", () => {
        asked.push({ authorization: request.headers.authorization, messages: JSON.parse(body).messages });
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.end(
          `${recordedLines("openai-text")
            .map((line) => `data: ${line}\n\n`)
            .join("")}data: [DONE]\n\n`,
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => server.close(() => resolve())));
    return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
  }

  it("asks the server of OPENAI_BASE_URL, and remembers the thread but nobody else's", async () => {
    const { asked, url } = await modelServer();
    const agent = createDemoAgent({ env: { OPENAI_API_KEY: "secret", OPENAI_BASE_URL: url } });
    const say = async (userId: string, text: string) => {
      const run = new RecordingRun();
      const outcome = await agent.answer({ ...alice, userId, run, text });
      expect(outcome.state).toBe("completed");
    };
    await say("alice", "first");
    await say("alice", "second");
    await say("bob", "third");
    const heard = asked.map(({ messages }) =>
      messages.filter(({ role }) => role === "user").map(({ content }) => content),
    );
    expect(heard).toEqual([["first"], ["first", "second"], ["third"]]);
    expect(asked[0]?.authorization).toBe("Bearer secret");
  });
});
