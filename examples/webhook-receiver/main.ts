/** A receiver of webhooks, and what comes to it: a notice, the same one again, and one that somebody has changed. */
import { once } from "node:events";
import { webhookChannel } from "runcast/channels";
import { asTenantId, asUserId } from "runcast/protocol";
import { receiver } from "./receiver.ts";

const port = Number(process.env.PORT ?? 8080);
const url = `http://127.0.0.1:${port}/runcast`;
const secret = process.env.RUNCAST_WEBHOOK_SECRET ?? "only-for-this-example-0123456789-0123456789";

const server = receiver([secret], async ({ userId, title, text }) => console.log(`${userId}: ${title}. ${text}`));
server.listen(port, "127.0.0.1");
await once(server, "listening");

// The server makes this channel of RUNCAST_WEBHOOK_URL and RUNCAST_WEBHOOK_SECRET, and calls it when nobody looks.
const channel = webhookChannel({ url, secrets: [secret], allow: "127.0.0.1" });
const notice = {
  id: "0197d5a0-7d7a-7000-8000-000000000001",
  tenantId: asTenantId("acme"),
  userId: asUserId("alice"),
  eventType: "agent_completed",
  offset: 12,
  runId: "run-1",
  time: new Date().toISOString(),
  title: "Your report is ready",
  text: "The agent writer has completed.",
};
const nobody = { find: async () => ({ subscriptions: [] }), drop: async () => {} };
const { signal } = new AbortController();

console.log(await channel.tell(notice, signal, nobody));
console.log("again:", await channel.tell(notice, signal, nobody));

const forged = {
  "webhook-id": "1",
  "webhook-timestamp": `${Math.floor(Date.now() / 1_000)}`,
  "webhook-signature": "v1,a",
};
const answer = await fetch(url, { method: "POST", headers: forged, body: JSON.stringify(notice) });
console.log(`forged: ${answer.status}`);
server.close();
