/**
 * Serves the React page of this folder and an agent for it: `node examples/react/main.ts`, then open
 * http://localhost:8080. Vite turns the page's sources into what a browser takes; any bundler will do.
 */
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { createRuncast } from "runcast";
import { runAgent } from "runcast/runner";
import { build } from "vite";

const runcast = await createRuncast({
  store: "memory:",
  auth: (token) => (token === "alices-session" ? { userId: "alice" } : undefined),
  onCommand: async ({ userId, data }) => {
    const run = await runcast.startRun({ userId, agent: "echo", input: data });
    void runAgent(run, async (agent) => {
      const words = await agent.tool("upper case", () => String(data["text"]).toUpperCase());
      await agent.message("answer", words);
      await agent.thinking("I wait until somebody stops me");
      await new Promise((resolve) => agent.signal.addEventListener("abort", resolve));
    });
    return { runId: run.runId };
  },
});

const page = await build({
  root: fileURLToPath(new URL(".", import.meta.url)),
  configFile: false,
  logLevel: "warn",
  build: { write: false },
});
const files = new Map(
  [page]
    .flat()
    .flatMap((part) => ("output" in part ? part.output : []))
    .map((file) => [`/${file.fileName}`, file]),
);
const server = createServer((request, response) => {
  const file = files.get(request.url === "/" ? "/index.html" : (request.url ?? ""));
  if (file === undefined) return void response.writeHead(404).end();
  response.setHeader("content-type", file.type === "chunk" ? "text/javascript" : "text/html");
  response.end(file.type === "chunk" ? file.code : file.source);
});
runcast.attach(server);
const port = Number(process.env.PORT ?? 8080);
server.listen(port, () => console.log(`open http://localhost:${port}`));

process.once("SIGINT", () => void runcast.close().then(() => server.close()));
