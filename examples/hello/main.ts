/**
 * Runcast in one process: `server.ts` embeds it with an agent that answers what users send, `client.ts` sends
 * something and watches the run. In an application the client runs in the browser.
 */
import { runcast, server } from "./server.ts";

await import("./client.ts");
await runcast.close();
server.close();
