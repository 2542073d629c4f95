/**
 * Alice is away when her agent has finished, and gets a mail. Bob reads along, and gets none. Wants an SMTP server
 * (`SMTP_URL`, for instance smtp://localhost:1025 of Mailpit) and `npm install nodemailer`.
 */
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createRuncast } from "runcast";
import { emailChannel } from "runcast/channels";
import { connect } from "runcast/client";

const port = Number(process.env.PORT ?? 8080);
const ackWaitMs = 1_000;
const email = await emailChannel({
  url: process.env.SMTP_URL ?? "smtp://localhost:1025",
  from: "Runcast <runcast@example.com>",
});

const runcast = await createRuncast({
  store: "memory:",
  auth: (token) => ({ userId: token }),
  channels: [email],
  // Your own database.
  contacts: {
    find: async (_tenantId, userId) => ({ email: `${userId}@example.com`, subscriptions: [] }),
    drop: async () => {},
  },
  escalation: { ackWaitMs, publicUrl: "https://app.example.com/runs/{runId}" },
  journal: { write: (level, what, fields) => level === "warn" && console.log(what, fields) },
});
const server = createServer().listen(port);
runcast.attach(server);

const bob = connect({ url: `http://localhost:${port}`, token: () => "bob", from: "start" });
const isRead = new Promise<void>((resolve) => {
  bob.on("event", ({ type }) => type === "agent_completed" && resolve());
});

for (const userId of ["alice", "bob"]) {
  const run = await runcast.startRun({ userId, agent: "reporter" });
  await run.completed("The report is ready.");
}
await isRead;
console.log("bob has read it");

// Both could have looked by now; whoever has not is told.
await sleep(2 * ackWaitMs);
await runcast.close();
bob.close();
server.close();
