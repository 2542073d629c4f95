/**
 * A page is reloaded in the middle of a run and misses nothing. `openPage` stands for the page: whatever it held in
 * memory is gone with it, and only the cursor in its storage is left (in a browser: `sessionStorageCursor`).
 */
import { createServer } from "node:http";
import { createRuncast } from "runcast";
import { type Cursor, connect, type CursorStorage } from "runcast/client";

const port = Number(process.env.PORT ?? 8080);
const runcast = await createRuncast({ store: "memory:", auth: () => ({ userId: "alice" }) });
const server = createServer();
runcast.attach(server);
server.listen(port);

let saved: Cursor | undefined;
const storage: CursorStorage = {
  load: () => saved,
  save: (cursor) => {
    saved = cursor;
  },
};
const openPage = () => connect({ url: `http://localhost:${port}`, token: () => "any", from: "start", storage });

const run = await runcast.startRun({ userId: "alice", agent: "counter" });
await run.delta("m1", "one ");
await run.delta("m1", "two ");

const seen: number[] = [];
const firstPage = openPage();
for await (const { offset } of firstPage.events()) {
  seen.push(offset);
  // Closing says how far the application is, and ends the loop.
  if (offset === 2) firstPage.close();
}
console.log(`the page goes away at offset ${saved?.offset}; the run goes on`);

await run.delta("m1", "three");
await run.completed("one two three");

const secondPage = openPage();
for await (const { offset, type } of secondPage.events()) {
  seen.push(offset);
  if (type === "agent_completed") secondPage.close();
}
console.log(`seen by both pages together: ${seen.join(" ")}`);
await runcast.close();
server.close();
