import { createServer } from "node:http";
import { createRuncast } from "runcast";
import { runAgent } from "runcast/runner";

const sessions = new Map([["alices-session", { userId: "alice" }]]);
export const runcast = await createRuncast({
  store: "sqlite:./hello.db",
  auth: (token) => sessions.get(token),
  onCommand: async ({ userId, data }) => {
    const run = await runcast.startRun({ userId, agent: "greeter", input: data });
    void runAgent(run, async (agent) => {
      await agent.thinking("What time is it?");
      const hour = await agent.tool("clock", () => new Date().getHours());
      return hour < 12 ? "Good morning!" : "Good day!";
    });
    return { runId: run.runId };
  },
});
export const server = createServer();
runcast.attach(server);
server.listen(Number(process.env.PORT ?? 8080));
