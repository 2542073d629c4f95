/**
 * An order and its event in one transaction: neither is there without the other. Wants a PostgreSQL server
 * (`DATABASE_URL`, for instance postgres://localhost/shop) and `npm install pg`.
 */
import { createServer } from "node:http";
import { Client } from "pg";
import { createRuncast } from "runcast";
import { connect } from "runcast/client";
import { notifyIn, publishIn } from "runcast/postgres";

const port = Number(process.env.PORT ?? 8080);
const databaseUrl = process.env.DATABASE_URL ?? "postgres://localhost/shop";
const runcast = await createRuncast({ store: databaseUrl, auth: (token) => ({ userId: token }) });
const server = createServer().listen(port);
runcast.attach(server);

const client = new Client({ connectionString: databaseUrl });
await client.connect();
await client.query("CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY, paid boolean NOT NULL)");
const run = await runcast.startRun({ userId: "alice", agent: "shop" });

const alice = connect({ url: `http://localhost:${port}`, token: () => "alice" });
const hasReceipt = new Promise<void>((resolve) => {
  alice.on("event", ({ type, data }) => {
    if (type.startsWith("x.")) console.log(type, JSON.stringify(data));
    if (type === "x.receipt") resolve();
  });
});

async function pay(orderId: string): Promise<void> {
  await client.query("INSERT INTO orders VALUES ($1, false)", [orderId]);
  await client.query("BEGIN");
  await client.query("UPDATE orders SET paid = true WHERE id = $1", [orderId]);
  await publishIn(client, {
    runId: run.runId,
    fence: run.fence,
    events: [{ type: "x.order_paid", data: { orderId }, key: `paid-${orderId}` }],
  });
  await notifyIn(client, { userId: "alice", type: "x.receipt", data: { orderId } });
}

await pay("order 1");
// The card was refused: nobody ever hears of it.
await client.query("ROLLBACK");
await pay("order 2");
await client.query("COMMIT");
await hasReceipt;

await client.end();
alice.close();
await runcast.close();
server.close();
