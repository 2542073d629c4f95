import { once } from "node:events";
import { WebSocket } from "ws";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { thinking } from "../../support/black-box.ts";
import { apiKeys, BuiltServer, userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { diskFault } from "../../support/disk/disk-fault.ts";
import { journalLines, metric } from "../../support/disk/journal-lines.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { call, readAll } from "../../support/http-reader.ts";

const patience = { timeout: 15_000, interval: 10 };
/** How long one sync of the slow disk takes. FAULTS 5 names 500 to 5,000 ms: `DISK_DELAY_MS=5000 npm run test:e2e`. */
const delayMs = Number(process.env["DISK_DELAY_MS"] ?? 3_000);
/** Of a sync: a second thread starts meanwhile, on a machine where other tests run too. */
const soonMs = delayMs - 300;
/** On a quiet machine it is a few milliseconds; a loop that waited for the disk would stall for a whole sync. */
const maxStallMs = 200;
const microsecondsPerMs = 1_000;

let server: BuiltServer;
beforeAll(async () => {
  // What the log itself answers: with a spool, it would take what the log does not.
  server = await BuiltServer.start({ env: { RUNCAST_SPOOL: "none" } });
});
afterAll(() => server[Symbol.asyncDispose]());

const pid = () => server.pid ?? 0;

/** One publish, not repeated: what the server says of it. */
function publishOnce(run: { readonly runId: string; readonly fence: unknown }, key: string) {
  const events = [{ type: "agent_delta", data: { messageId: "m", channel: "text", text: key }, key }];
  const body = { fence: run.fence, events };
  return call(server.url, `POST /v1/runs/${run.runId}/events`, { as: apiKeys.publish, body });
}

/** Opens a socket and has one ping of the WebSocket protocol answered. */
async function ping(url: string, token: string): Promise<void> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws`, ["runcast.v1", `bearer.${token}`]);
  await once(socket, "open");
  socket.ping();
  await once(socket, "pong");
  socket.terminate();
}

const isDown = async () => (await metric(server.url, "runcast_log_up")) === 0;

describe("a disk that fails to sync (I1)", () => {
  it("once: the publish is answered as unknown, its repetition settles it, and nothing acknowledged is lost", async () => {
    const run = await new HttpPublisher(server.url).startRun({ userId: "eve", runId: "eve-1" });
    {
      await using _ = await diskFault(pid(), "fsync:error=EIO:when=1");
      expect(await publishOnce(run, "k1")).toMatchObject({ status: 503, body: { error: { code: "log_unavailable" } } });
      expect((await publishOnce(run, "k1")).status).toBe(200);
    }
    expect((await publishOnce(run, "k2")).body).toMatchObject({ offset: 3, duplicates: 0 });
    await server.kill9();
    await server.restart();
    const log = await readAll(server.url, "/v1/events", await userToken("eve"));
    expect(log.map(({ type, offset }) => [type, offset])).toEqual([
      ["agent_started", 1],
      ["agent_delta", 2],
      ["agent_delta", 3],
    ]);
  });

  it("for ever: takes nothing, says so at once, lets everybody read, and heals by itself when the disk does", async () => {
    const publisher = new HttpPublisher(server.url);
    const run = await publisher.startRun({ userId: "eve", runId: "eve-2" });
    await publisher.publish(run, [thinking]);
    const token = await userToken("eve");
    const before = (await readAll(server.url, "/v1/events", token)).length;
    const faultAt = Date.now();
    {
      await using _ = await diskFault(pid(), "fsync:error=EIO");
      for (const key of ["a", "b", "c"])
        expect(await publishOnce(run, key)).toMatchObject({
          status: 503,
          body: { error: { code: "log_unavailable" } },
        });
      expect(await isDown()).toBe(true);
      const [down] = journalLines(server, "log.down").slice(-1);
      expect(down).toMatchObject({ level: "error", because: "unavailable" });
      expect(Date.parse(down?.time ?? "") - faultAt).toBeLessThan(soonMs);
      // Only what was synced is shown, and that to the last event.
      expect(await readAll(server.url, "/v1/events", token)).toHaveLength(before);
      const tab = collect("eve", { url: server.url, from: "start" });
      await tab.has(before);
      tab.client.close();
    }
    const healedAt = performance.now();
    // Nobody publishes: it finds out by itself.
    await expect.poll(isDown, patience).toBe(false);
    const upMs = performance.now() - healedAt;
    const [alert] = journalLines(server, "log.down").slice(-1);
    console.info(
      `alert after ${Date.parse(alert?.time ?? "") - faultAt} ms; up ${Math.round(upMs)} ms after the disk was`,
    );
    expect(journalLines(server, "log.up").at(-1)).toMatchObject({ level: "info", downMs: expect.any(Number) });
    for (const key of ["a", "b", "c"]) expect((await publishOnce(run, key)).status).toBe(200);
    const after = await readAll(server.url, "/v1/events", token);
    expect(after.slice(before).map(({ data }) => Reflect.get(data, "text"))).toEqual(["a", "b", "c"]);
  });
});

describe("a slow disk (FAULTS 5)", () => {
  it(`of ${delayMs} ms a sync: the loop does not stall, and who connects, reads or pings does not wait for it`, async () => {
    const run = await new HttpPublisher(server.url).startRun({ userId: "sam", runId: "sam-1" });
    for (const key of ["k1", "k2"]) await publishOnce(run, key);
    const token = await userToken("sam");
    const tab = collect("sam", { url: server.url, from: "start" });
    await tab.has(3);
    await metric(server.url, "nodejs_eventloop_delay_max_seconds");

    await using _ = await diskFault(pid(), `fsync:delay_enter=${delayMs * microsecondsPerMs}`);
    const startMs = performance.now();
    let isAnswered = false;
    const slow = publishOnce(run, "slow").finally(() => {
      isAnswered = true;
    });
    const tookMs: Record<string, number> = {};
    const timed = async (what: string, work: () => Promise<unknown>) => {
      const fromMs = performance.now();
      await work();
      tookMs[what] = performance.now() - fromMs;
    };
    // One after the other, so that the second finds a reader at work; all while the commit waits for its sync.
    await timed("events", async () => expect(await readAll(server.url, "/v1/events", token)).toHaveLength(3));
    await timed("resume", async () => {
      const back = collect("sam", { url: server.url, from: "start" });
      await back.has(3);
      back.client.close();
    });
    await timed("ping", () => ping(server.url, token));
    await timed("run", async () =>
      expect((await call(server.url, "GET /v1/runs/sam-1", { as: token })).status).toBe(200),
    );
    expect(isAnswered, `reads took ${JSON.stringify(tookMs)}`).toBe(false);
    for (const ms of Object.values(tookMs)) expect(ms).toBeLessThan(soonMs);
    const stallMs = 1_000 * (await metric(server.url, 'nodejs_eventloop_delay_seconds{quantile="0.99"}'));
    const took = Object.entries(tookMs).map(([what, ms]) => `${what} ${Math.round(ms)} ms`);
    console.info(`while a sync took ${delayMs} ms: ${took.join(", ")}; loop delay p99 ${stallMs.toFixed(1)} ms`);
    expect(stallMs).toBeLessThan(maxStallMs);
    expect((await slow).status).toBe(200);
    expect(performance.now() - startMs).toBeGreaterThan(delayMs);
    await tab.has(4);
    expect(tab.seen.map(({ offset }) => offset)).toEqual([1, 2, 3, 4]);
    tab.client.close();
  });
});
