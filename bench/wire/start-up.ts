/**
 * W8: the built server on a store that a former process left full of unfinished runs. How long until it listens and
 * serves, and what it holds in memory, beside an empty store.
 */
import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { asRunId, asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { apiKeys, BuiltServer, userToken } from "../../test/support/built-server.ts";
import { call } from "../../test/support/http-reader.ts";

const runsPerUser = 10;
/** Appends that wait for one commit. */
const appendsAtOnce = 2_000;
const bytesPerMib = 1_048_576;
const kibibyte = 1_024;
const restMs = 3_000;
const leaseMs = 3_600_000;

const event = (id: string, type: string, data: object) => ({
  id,
  type,
  time: "2026-11-25T10:00:00.000Z",
  data: JSON.stringify(data),
});

/** So many runs that have begun, opened a tool and never ended. */
async function fill(path: string, runs: number): Promise<void> {
  const log = await openSqliteLog({ path, durability: "os" });
  const tenantId = asTenantId("default");
  for (let first = 0; first < runs; first += appendsAtOnce) {
    const appends = Array.from({ length: Math.min(appendsAtOnce, runs - first) }, (_, index) => {
      const number = first + index;
      const runId = asRunId(`run-${number}`);
      const stream = streamKey(tenantId, asUserId(`user-${Math.floor(number / runsPerUser)}`));
      const create = {
        tenantId,
        runId,
        stream,
        leaseMs,
        agent: "bench",
        profile: "standard",
        onIllegal: "reject",
        mode: "regular",
        startDigest: "",
        startedAt: "2026-11-25T10:00:00.000Z",
      } as const;
      const events = [
        event(`${number}-1`, "agent_started", { agent: "bench" }),
        event(`${number}-2`, "tool_executing", { toolCallId: "c", toolName: "t" }),
      ];
      return log.append({ stream, events, run: { tenantId, runId, expectedSeq: 0, create } });
    });
    await Promise.all(appends);
  }
  await log.close();
}

const rssMib = ({ pid }: BuiltServer): number =>
  (Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * kibibyte) / bytesPerMib;

/** From now to the welcome and the first snapshot of a user. */
async function firstConnectionMs(url: string): Promise<number> {
  const token = await userToken("user-5");
  const startMs = performance.now();
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws`, ["runcast.v1"]);
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("open", () => socket.send(JSON.stringify({ type: "hello", token })));
    socket.on("message", (bytes: Buffer) => {
      if (JSON.parse(bytes.toString()).type === "snapshot") resolve();
    });
  });
  const ms = performance.now() - startMs;
  socket.terminate();
  return ms;
}

async function firstPublishMs(url: string): Promise<number> {
  const startMs = performance.now();
  const made = await call(url, "POST /v1/runs", { as: apiKeys.publish, body: { userId: "new", agent: "a" } });
  if (made.status !== 201) throw new Error(made.text);
  return performance.now() - startMs;
}

async function start(path: string): Promise<string> {
  const startMs = performance.now();
  await using server = await BuiltServer.start({ env: { RUNCAST_STORE: `sqlite:${path}` } });
  const listensMs = performance.now() - startMs;
  const connectionMs = await firstConnectionMs(server.url);
  const publishMs = await firstPublishMs(server.url);
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const { body } = await call(server.url, "GET /v1/runs?limit=1&userId=user-5", { as: apiKeys.admin });
  if (body.runs === undefined) throw new Error("the runs cannot be read");
  return [
    `listening after ${listensMs.toFixed(0)} ms`,
    `first connection ${connectionMs.toFixed(0)} ms`,
    `first run ${publishMs.toFixed(0)} ms`,
    `RSS ${rssMib(server).toFixed(0)} MiB at rest`,
  ].join(", ");
}

export async function measureStartUp(runs: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "runcast-bench-"));
  try {
    const full = join(folder, "full.db");
    await fill(full, runs);
    // The first start of a build fills the cache of compiled code.
    await start(join(folder, "warm.db"));
    const empty = await start(join(folder, "empty.db"));
    return [`W8: ${runs} unfinished runs: ${await start(full)}`, `    an empty store: ${empty}`].join("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
