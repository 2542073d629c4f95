/**
 * Users prove who they are in the application's own way: `auth` is any function from a token to its owner. It may
 * look into a database. `undefined` lets nobody in; a rejection says "cannot tell now", and clients come back later.
 */
import { createServer } from "node:http";
import { createRuncast } from "runcast";
import { ClientStopped, connect } from "runcast/client";

const port = Number(process.env.PORT ?? 8080);
const url = `http://localhost:${port}`;
const sessions = new Map([
  ["s-alice", { user: "alice", company: "acme", endsAtMs: Date.now() + 60_000 }],
  ["s-bob", { user: "bob", company: "acme", endsAtMs: Date.now() + 60_000 }],
]);

const runcast = await createRuncast({
  store: "memory:",
  auth: async (token) => {
    const session = sessions.get(token);
    if (session === undefined) return undefined;
    // Before `expiresAt` the client is asked for a fresh token, on the open connection.
    return { userId: session.user, tenantId: session.company, expiresAt: new Date(session.endsAtMs) };
  },
});
const server = createServer();
runcast.attach(server);
server.listen(port);

const run = await runcast.startRun({ userId: "alice", tenantId: "acme", agent: "secretary" });
await run.completed("for Alice's eyes only");

for (const token of ["s-alice", "s-bob", "guessed"]) {
  const answer = await fetch(`${url}/v1/runs/${run.runId}`, { headers: { authorization: `Bearer ${token}` } });
  console.log(`${token} asks for Alice's run: ${answer.status}`);
}

// The same check stands before the socket. `token` is asked for before every connection: it may renew a session.
const stranger = connect({ url, token: () => "guessed" });
try {
  for await (const event of stranger.events()) console.log(event);
} catch (error) {
  console.log("a stranger's socket:", error instanceof ClientStopped ? error.reason : error);
}
await runcast.close();
server.close();
