import { createServer } from "node:http";
import { createRuncast, type UserCommand } from "runcast";
import { runAgent } from "runcast/runner";

const sessions = new Map([["alices-session", { userId: "alice" }]]);
export const runcast = await createRuncast({ auth: (token) => sessions.get(token), onCommand });
export const server = createServer().listen(process.env.PORT ?? 8080);
runcast.attach(server);

async function onCommand({ userId, data }: UserCommand) {
  const run = await runcast.startRun({ userId, agent: "greeter", input: data });
  void runAgent(run, async (agent) => {
    await agent.thinking("What time is it?");
    const hour = await agent.tool("clock", () => new Date().getHours());
    return hour < 12 ? "Good morning!" : "Good day!";
  });
  return { runId: run.runId };
}
