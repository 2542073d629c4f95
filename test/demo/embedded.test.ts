/** Runners and the demo agent over the real runtime: what they say stands in the user's stream, and cancel reaches them. */
import * as Effect from "effect/Effect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../protocol/event.ts";
import type { PublisherPrincipal } from "../../src/auth/principal.ts";
import { createDemoAgent, demoQuestions } from "../../src/demo/demo-agent.ts";
import { createRuncast, type Runcast } from "../../src/index.ts";
import { runAgent } from "../../src/runners/plain.ts";
import { runAiSdk } from "../../src/runners/ai-sdk.ts";

const operator: PublisherPrincipal = { kind: "publisher", name: "test", tenants: "*", rights: ["publish", "admin"] };
const alice = { tenantId: "default", userId: "alice" };

describe("runners over the real runtime", () => {
  let runcast: Runcast;
  beforeEach(async () => {
    runcast = await createRuncast({
      store: "memory:",
      auth: { kind: "secret", secret: "0123456789abcdef0123456789abcdef" },
    });
  });
  afterEach(() => runcast.close());

  const start = (agent: string) => runcast.startRun({ userId: "alice", agent });

  /** The user's stream up to the first terminal. */
  async function heard(): Promise<StreamEvent[]> {
    const events: StreamEvent[] = [];
    for await (const event of runcast.events({ userId: "alice" })) {
      events.push(event);
      if (/^agent_(completed|failed|cancelled|interrupted)$/.test(event.type)) break;
    }
    return events;
  }

  it("brings the demo agent's answer into the user's stream, dense and with one end", async () => {
    const agent = createDemoAgent({ speed: Number.POSITIVE_INFINITY, env: {} });
    const run = await start(agent.name);
    const outcome = await agent.answer({ ...alice, run, text: demoQuestions[0] ?? "" });
    expect(outcome.state).toBe("completed");
    const events = await heard();
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, index) => index + 1));
    expect(events.some(({ repaired }) => repaired)).toBe(false);
    const view = await runcast.run(run.runId);
    expect(view.state).toBe("completed");
    expect(view.tools.map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
    const answer = view.messages.find(({ channel }) => channel === "text");
    expect(answer?.text).toBe(view.output);
  });

  it("stops the demo agent when its user cancels", async () => {
    const agent = createDemoAgent({ speed: 20, env: {} });
    const run = await start(agent.name);
    const answering = agent.answer({ ...alice, run, text: demoQuestions[0] ?? "" });
    for await (const { type } of runcast.events({ userId: "alice" })) if (type === "agent_delta") break;
    await Effect.runPromise(runcast.runtime.cancel(operator, undefined, run.runId, { reason: "enough" }));
    expect((await answering).state).toBe("cancelled");
    expect((await heard()).slice(-1).map(({ type }) => type)).toEqual(["agent_cancelled"]);
  });

  it("lets a run go on whose tool returned another user's data, and shows none of it", async () => {
    const run = await start("crm");
    const stream = (async function* () {
      yield { type: "start-step" };
      yield { type: "tool-call", toolCallId: "c", toolName: "crm", input: {} };
      yield { type: "tool-result", toolCallId: "c", output: { deals: [{ userId: "bob", worth: "secret" }] } };
      yield { type: "finish", finishReason: "stop" };
    })();
    expect((await runAiSdk(run, { stream })).state).toBe("completed");
    const events = await heard();
    expect(JSON.stringify(events)).not.toContain("secret");
    expect(events.find(({ type }) => type === "tool_completed")?.data).toMatchObject({
      status: "ok",
      withheld: "data.result.deals[0].userId",
    });
  });

  it("is lost, and stops its source, when another runner claims the run", async () => {
    const run = await start("slow");
    let isStopped = false;
    const done = runAiSdk(run, ({ abortSignal }) => ({
      stream: (async function* () {
        yield { type: "start-step" };
        await runcast.claim(run.runId);
        yield { type: "text-delta", id: "t", text: "too late" };
        yield { type: "text-end", id: "t" };
        yield { type: "start-step" };
        if (!abortSignal.aborted) await new Promise((resolve) => abortSignal.addEventListener("abort", resolve));
        isStopped = true;
      })(),
    }));
    expect((await done).state).toBe("lost");
    expect(isStopped).toBe(true);
    const view = await runcast.run(run.runId);
    expect(view.messages).toEqual([]);
    expect(view.endedBy).toBeUndefined();
  });

  it("ends a plain function's run with its value", async () => {
    const run = await start("plain");
    await runAgent(run, async (ctx) => {
      const [left, right] = await Promise.all([ctx.tool("left", () => 40), ctx.tool("right", () => 2)]);
      return left + right;
    });
    expect((await runcast.run(run.runId)).output).toBe(42);
  });
});
