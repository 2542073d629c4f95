/**
 * The old names beside what replaces them: `before.ts` and `after.ts` say the same to a connected user, and every call is
 * counted. In an application the client runs in the browser.
 */
import { createServer } from "node:http";
import { createRuncast } from "runcast";
import { connect } from "runcast/client";
import { after } from "./after.ts";
import { before } from "./before.ts";

const sessions = new Map([["alices-session", { userId: "alice" }]]);
const runcast = await createRuncast({ store: "memory:", auth: (token) => sessions.get(token) });
const server = createServer().listen(process.env.PORT ?? 8080);
runcast.attach(server);
const client = connect({ url: `http://localhost:${process.env.PORT ?? 8080}`, token: () => "alices-session" });
await new Promise<void>((resolve) => client.on("status", ({ state }) => state === "live" && resolve()));

console.log("before:", ...(await before(runcast)));
console.log("after:", ...(await after(runcast)));
console.log("nobody there:", (await runcast.notify({ userId: "bob", type: "x.hello", data: {} })).successfulSends);
client.close();
await runcast.close();
server.close();
