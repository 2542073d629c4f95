/**
 * Runcast over its durable path: every event is in the store, as durable as that store makes it, before its publisher is
 * told and anybody sees it. `--store`, default an SQLite file of its own; several with one shared store are its nodes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Run } from "../../src/index.ts";
import { createRuncast } from "../../src/index.ts";
import { serveWork } from "./serve-work.ts";
import { watchTraffic } from "./traffic.ts";
import type { WorkEvent } from "./workload.ts";
import { nowMs, runEvents } from "./workload.ts";

export const benchSecret = "bench-secret-of-at-least-32-bytes!!";
const directory = mkdtempSync(join(tmpdir(), "runcast-bench-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

const { values } = parseArgs({
  options: {
    store: { type: "string", default: `sqlite:${join(directory, "bench.db")}` },
    commit: { type: "string", default: "fsync" },
    /** Clients that read nothing answer no ping: where they are measured, they must not be sent home meanwhile. */
    heartbeat: { type: "string" },
    lease: { type: "string" },
    /** Of the store, where it is a server. */
    watch: { type: "string", default: "0" },
  },
});
const http = createServer();
const ownPort = (): number => {
  const address = http.address();
  return typeof address === "object" && address !== null ? address.port : 0;
};
const traffic = watchTraffic(Number(values.watch), ownPort);

const runcast = await createRuncast({
  store: values.store,
  commit: values.commit === "os" ? "os" : "fsync",
  auth: { kind: "secret", secret: benchSecret },
  heartbeatMs: values.heartbeat === undefined ? undefined : Number(values.heartbeat),
  leaseMs: values.lease === undefined ? undefined : Number(values.lease),
});
runcast.attach(http);

/** One by one, as an agent says them; only the end is awaited, and with it all that stands before it. */
async function publishRun(user: string, gapMs = 0): Promise<void> {
  const run = await runcast.startRun({ userId: user, agent: "bench", input: { at: nowMs() } });
  let last: Promise<unknown> = Promise.resolve();
  for (const { type, data } of runEvents(nowMs())) {
    if (gapMs > 0) await new Promise((resolve) => setTimeout(resolve, gapMs));
    // Nobody looks at this answer: it is never made. What fails fails all that follows, and the last says so.
    last = run.emit({ type, data: gapMs > 0 ? { ...data, at: nowMs() } : data } as never);
  }
  await last;
}

const openRuns = new Map<string, Promise<Run>>();

async function say(user: string, events: readonly WorkEvent[]): Promise<unknown> {
  const run = openRuns.get(user) ?? runcast.startRun({ userId: user, agent: "bench" });
  openRuns.set(user, run);
  return (await run).emit(events as never);
}

http.listen(0, "127.0.0.1", () => void serveWork({ port: ownPort(), publishRun, say }, traffic));
