import { connect } from "runcast/client";

const url = `http://localhost:${process.env.PORT ?? 8080}`;
const client = connect({ url, token: () => "alices-session" });
const events = client.events();
await client.send("Hello!");
for await (const { offset, type, data } of events) {
  console.log(offset, type, JSON.stringify(data));
  if (type === "agent_completed" || type === "agent_failed") client.close();
}
