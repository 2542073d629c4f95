/**
 * Runcast beside an application's own routes on one `node:http` server. `attach` takes `/v1` and leaves every other
 * path to the listeners that were there before. Here a route of the application starts the run.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRuncast } from "runcast";
import { runAgent } from "runcast/runner";

const port = Number(process.env.PORT ?? 8080);
const url = `http://localhost:${port}`;
/** The application knows its users by the session that their cookie names; tokens are sessions too. */
const sessions = new Map([["s-1", { userId: "alice" }]]);

const runcast = await createRuncast({ store: "memory:", auth: (token) => sessions.get(token) });

const server = createServer((request, response) => void answer(request, response));
async function answer(request: IncomingMessage, response: ServerResponse) {
  const session = /session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";
  const user = sessions.get(session);
  if (request.method !== "POST" || request.url !== "/reports") return response.writeHead(404).end();
  if (user === undefined) return response.writeHead(401).end();
  const run = await runcast.startRun({ ...user, agent: "reporter" });
  // The answer does not wait for the report: its progress comes as events.
  void runAgent(run, async (agent) => {
    for (const percent of [25, 50, 75]) await agent.progress("reading the books", percent);
    return "the report";
  });
  return response.end(JSON.stringify({ runId: run.runId }));
}
runcast.attach(server);
server.listen(port);

const made = await fetch(`${url}/reports`, { method: "POST", headers: { cookie: "session=s-1" } });
console.log("the application's own route:", made.status, await made.text());

// What a page does with EventSource; any HTTP client can read the stream like this.
const stream = await fetch(`${url}/v1/stream?from=start`, { headers: { authorization: "Bearer s-1" } });
const text = stream.body?.pipeThrough(new TextDecoderStream()) ?? [];
for await (const chunk of text) {
  process.stdout.write(chunk);
  if (chunk.includes("agent_completed")) break;
}
await runcast.close();
server.close();
