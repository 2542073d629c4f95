/**
 * An agent of the AI SDK as a run: `runAiSdk` drains the stream to its end, whether somebody watches or not, and
 * writes what happens. The model is the AI SDK's own test model; put a real one in its place.
 */
import { isStepCount, streamText, tool } from "ai";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";
import { createRuncast } from "runcast";
import { runAiSdk } from "runcast/ai-sdk";
import { z } from "zod";

const usage = {
  inputTokens: { total: 3, noCache: 3, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 4, text: 4, reasoning: undefined },
};
/** First it calls a tool, then it answers. */
const model = new MockLanguageModelV4({
  doStream: [
    {
      stream: simulateReadableStream({
        chunks: [
          { type: "tool-call", toolCallId: "c1", toolName: "weather", input: '{"city":"Oslo"}' },
          { type: "finish", finishReason: { unified: "tool-calls", raw: undefined }, usage },
        ],
      }),
    },
    {
      stream: simulateReadableStream({
        chunks: [
          { type: "text-start", id: "t" },
          { type: "text-delta", id: "t", delta: "It rains " },
          { type: "text-delta", id: "t", delta: "in Oslo." },
          { type: "text-end", id: "t" },
          { type: "finish", finishReason: { unified: "stop", raw: undefined }, usage },
        ],
      }),
    },
  ],
});

const weather = tool({
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `rain in ${city}`,
});

const runcast = await createRuncast({ store: "memory:", auth: () => ({ userId: "alice" }) });
const run = await runcast.startRun({ userId: "alice", agent: "weather" });
// `wiring` is the stop button, and the hooks that tell when a tool really runs.
const outcome = await runAiSdk(run, (wiring) =>
  streamText({ ...wiring, model, tools: { weather }, stopWhen: isStepCount(5), prompt: "Weather in Oslo?" }),
);
console.log("outcome:", outcome.state);
for await (const { seq, type, data } of runcast.events({ userId: "alice" })) {
  console.log(seq, type, JSON.stringify(data));
  if (type === "agent_completed") break;
}
await runcast.close();
