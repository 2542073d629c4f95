/**
 * An agent in a process of its own. It needs the server's address and a key, and nothing else of Runcast's: the lease,
 * the repeating of calls without an answer and the Stop button are the publisher's affair.
 */
import { connectPublisher } from "runcast/publisher";
import { runAgent } from "runcast/runner";

const publisher = connectPublisher({
  url: `http://localhost:${process.env.PORT ?? 8080}`,
  apiKey: process.env.API_KEY ?? "",
  // A Stop reaches an agent that says nothing within this.
  heartbeatMs: 500,
});

/** What a job queue would call. `runId` is the job's own: a job that comes twice is one run. */
export async function work(runId: string, userId: string, minutes: number) {
  const run = await publisher.startRun({ runId, userId, agent: "remote" });
  return await runAgent(run, async (agent) => {
    await agent.thinking("This may take a while.");
    const result = await agent.tool("sleep", (signal) => sleep(minutes * 60_000, signal));
    return `slept ${result}`;
  });
}

function sleep(ms: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve("well"), ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
