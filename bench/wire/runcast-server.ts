/** Runcast over its durable path: every event is on disk (fsync) before its publisher is told and anybody sees it. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuncast } from "../../src/index.ts";
import { serveWork } from "./serve-work.ts";
import { nowMs, runEvents } from "./workload.ts";

export const benchSecret = "bench-secret-of-at-least-32-bytes!!";
const directory = mkdtempSync(join(tmpdir(), "runcast-bench-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

/** Clients that read nothing answer no ping: where they are measured, they must not be sent home meanwhile. */
const heartbeatMs = process.argv[3] === undefined ? undefined : Number(process.argv[3]);

const runcast = await createRuncast({
  store: process.argv[2] || `sqlite:${join(directory, "bench.db")}`,
  auth: { kind: "secret", secret: benchSecret },
  heartbeatMs,
});
const http = createServer();
runcast.attach(http);

/** One by one, as an agent says them; only the end is awaited, and with it all that stands before it. */
async function publishRun(user: string): Promise<void> {
  const run = await runcast.startRun({ userId: user, agent: "bench", input: { at: nowMs() } });
  let last: Promise<unknown> = Promise.resolve();
  for (const { type, data } of runEvents(nowMs())) last = run.emit({ type, data } as never);
  await last;
}

http.listen(0, "127.0.0.1", () => {
  const address = http.address();
  void serveWork(typeof address === "object" && address !== null ? address.port : 0, publishRun);
});
