/**
 * Publishing over HTTP, from a runner that knows nothing of Runcast but its API: see `publisher.ts`. The server here
 * could as well be `runcast serve` with RUNCAST_API_KEYS=agents:secret-key.
 */
import { createServer } from "node:http";
import { createRuncast } from "runcast";

const apiKey = "secret-key";
process.env.API_KEY = apiKey;
const { post, publishRun } = await import("./publisher.ts");

const runcast = await createRuncast({
  store: "memory:",
  auth: () => undefined,
  apiKeys: `agents:${apiKey}`,
});
const server = createServer();
runcast.attach(server);
server.listen(Number(process.env.PORT ?? 8080));

await publishRun("run-1");
const illegal = post("/runs/run-1/events", { fence: 1, events: [{ type: "agent_thinking", data: {} }] });
console.log("after the end:", await illegal.catch((error: Error) => error.message));
const { state, tools, output } = await runcast.run("run-1");
console.log("the run:", state, JSON.stringify(tools[0]?.result), output);
await runcast.close();
server.close();
