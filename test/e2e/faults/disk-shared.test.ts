import { statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiKeys, BuiltServer, userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { ForeignShell } from "../../support/disk/foreign-shell.ts";
import { journalLines, metric } from "../../support/disk/journal-lines.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { call, readAll } from "../../support/http-reader.ts";

const patience = { timeout: 15_000, interval: 10 };
/** FAULTS 6 names 10 s: `LOCK_MS=10000`. Longer than a write waits. */
const lockMs = Number(process.env["LOCK_MS"] ?? 3_000);
/** A write waits 2 s for another process, and a timer may be late. */
const maxRefusalMs = 3_500;
/** Less than the write beside it waits. */
const soonMs = 1_900;
/** On a quiet machine it is a few milliseconds. */
const maxStallMs = 200;

const bigChars = 60_000;
const bigPerCall = 16;
/** What the journal warns above, and what a WAL is cut to when nobody reads it any more. */
const longWalBytes = 64 * 2 ** 20;
const idleWalBytes = 32 * 2 ** 20;

let server: BuiltServer;
let store: string;
beforeAll(async () => {
  // What the log itself answers: with a spool, it would take what the log does not.
  server = await BuiltServer.start({ env: { RUNCAST_SPOOL: "none" } });
  store = join(server.directory, "runcast.db");
});
afterAll(() => server[Symbol.asyncDispose]());

type Run = { readonly runId: string; readonly fence: unknown };

function publishOnce(run: Run, key: string, chars = 0, count = 1) {
  const events = Array.from({ length: count }, (_, index) => {
    const name = `${key}/${index}`;
    return { type: "agent_delta", data: { messageId: "m", channel: "text", text: name.padEnd(chars) }, key: name };
  });
  return call(server.url, `POST /v1/runs/${run.runId}/events`, {
    as: apiKeys.publish,
    body: { fence: run.fence, events },
  });
}

describe("a store that another process holds (FAULTS 6)", () => {
  it("refuses within a bound and stalls nobody; whoever reads goes on, and what comes after the lock is taken", async () => {
    const publisher = new HttpPublisher(server.url);
    const run = await publisher.startRun({ userId: "lee", runId: "lee-1" });
    await publishOnce(run, "before");
    const token = await userToken("lee");
    await metric(server.url, "nodejs_eventloop_delay_max_seconds");
    const refusedMs: number[] = [];
    {
      await using other = new ForeignShell(store);
      await other.run("begin immediate;");
      const lockedMs = performance.now();
      while (performance.now() - lockedMs < lockMs) {
        const startMs = performance.now();
        const refused = publishOnce(run, "during");
        // Beside the write that waits.
        expect(await readAll(server.url, "/v1/events", token)).toHaveLength(2);
        const tab = collect("lee", { url: server.url, from: "start" });
        await tab.has(2);
        expect(performance.now() - startMs).toBeLessThan(soonMs);
        tab.client.close();
        const answer = await refused;
        expect(answer).toMatchObject({ status: 503, body: { error: { code: "log_unavailable" } } });
        expect(answer.headers.get("retry-after")).toBe("1");
        refusedMs.push(performance.now() - startMs);
      }
      await other.run("rollback;");
    }
    expect(Math.max(...refusedMs)).toBeLessThan(maxRefusalMs);
    const stallMs = 1_000 * (await metric(server.url, 'nodejs_eventloop_delay_seconds{quantile="0.99"}'));
    console.info(`refused after ${refusedMs.map(Math.round).join(", ")} ms; loop delay p99 ${stallMs.toFixed(1)} ms`);
    expect(stallMs).toBeLessThan(maxStallMs);
    expect((await publishOnce(run, "during")).body).toMatchObject({ offset: 3, duplicates: 0 });
    await expect.poll(() => metric(server.url, "runcast_log_up"), patience).toBe(1);
  });

  it("keeps its own counters right when somebody has written to it", async () => {
    const run = await new HttpPublisher(server.url).startRun({ userId: "mia", runId: "mia-1" });
    expect((await publishOnce(run, "a")).body).toMatchObject({ offset: 2 });
    {
      await using other = new ForeignShell(store);
      await other.run("update runs set fence = 7 where run_id = 'mia-1'; vacuum;");
    }
    // The fence that was raised behind its back is the one that holds.
    expect((await publishOnce(run, "b")).body).toMatchObject({
      error: { code: expect.stringMatching(/fenced|log_una/) },
    });
    expect((await publishOnce({ ...run, fence: 7 }, "b")).body).toMatchObject({ offset: 3 });
  });
});

describe("a store that another process reads and reads (FAULTS 7)", () => {
  it("grows its WAL in sight of the operator, goes on taking events, and cuts it when the reader has gone", async () => {
    const run = await new HttpPublisher(server.url).startRun({ userId: "zoe", runId: "zoe-1" });
    const walBytes = () => metric(server.url, "runcast_log_wal_bytes");
    {
      await using other = new ForeignShell(store);
      const seen = await other.run("begin; select count(*) from events;");
      for (let count = 0; (await walBytes()) <= longWalBytes; count += 1)
        expect((await publishOnce(run, `big ${count}`, bigChars, bigPerCall)).status).toBe(200);
      // What it began with is what it still sees: a backup is of one moment.
      expect(await other.run("select count(*) from events;")).toBe(seen);
      expect(journalLines(server, "log.walGrows").at(-1)).toMatchObject({ level: "warn", bytes: expect.any(Number) });
    }
    for (let count = 0; (await walBytes()) > idleWalBytes && count < 5; count += 1)
      expect((await publishOnce(run, `after ${count}`)).status).toBe(200);
    expect(await walBytes()).toBeLessThanOrEqual(idleWalBytes);
    expect(statSync(`${store}-wal`).size).toBeLessThanOrEqual(idleWalBytes);
    expect(journalLines(server, "log.walShrank")).toHaveLength(1);
  });
});
