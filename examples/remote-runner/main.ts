/**
 * A server and a runner that know each other by address and key only: `runner.ts` could run on another machine, and
 * the server be `runcast serve` with RUNCAST_API_KEYS=agents:secret-key. The user watches, and presses Stop.
 */
import { createServer } from "node:http";
import { createRuncast } from "runcast";
import { connect } from "runcast/client";

const port = Number(process.env.PORT ?? 8080);
process.env.API_KEY = "secret-key";
const { work } = await import("./runner.ts");

const runcast = await createRuncast({
  store: "memory:",
  auth: () => ({ userId: "alice" }),
  apiKeys: "agents:secret-key",
});
const server = createServer();
runcast.attach(server);
server.listen(port);

console.log("a short job:", await work("job-1", "alice", 0));

const client = connect({ url: `http://localhost:${port}`, token: () => "any", from: "start" });
const long = work("job-2", "alice", 60);
for await (const { runId, type } of client.events()) if (runId === "job-2" && type === "tool_executing") break;
await client.cancel("job-2", "I have seen enough");
console.log("a long job:", await long);
const { state, tools } = await client.run("job-2").done;
console.log("the user sees:", state, tools[0]?.toolName, tools[0]?.status);
client.close();
await runcast.close();
server.close();
