import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiKeys, BuiltServer, userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { journalLines, metric } from "../../support/disk/journal-lines.ts";
import { SmallDisk } from "../../support/disk/small-disk.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { call, readAll } from "../../support/http-reader.ts";

const patience = { timeout: 15_000, interval: 10 };
const soonMs = 3_000;
const bigChars = 20_000;

let disk: SmallDisk;
let server: BuiltServer;
beforeAll(async () => {
  disk = new SmallDisk();
  server = await BuiltServer.start({
    env: { RUNCAST_SPOOL: "none", RUNCAST_STORE: `sqlite:${join(disk.folder, "runcast.db")}` },
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await disk[Symbol.asyncDispose]();
});

function publishOnce(run: { readonly runId: string; readonly fence: unknown }, key: string, chars = 1) {
  const events = [{ type: "agent_delta", data: { messageId: "m", channel: "text", text: key.padEnd(chars) }, key }];
  const body = { fence: run.fence, events };
  return call(server.url, `POST /v1/runs/${run.runId}/events`, { as: apiKeys.publish, body });
}

describe("a full disk (FAULTS 4)", () => {
  it("is a definite no that says what to do; reading, delivering and acknowledging go on, and room alone heals it", async () => {
    const publisher = new HttpPublisher(server.url);
    const run = await publisher.startRun({ userId: "ann", runId: "ann-1" });
    const stored = ["k1", "k2", "k3"];
    for (const key of stored) expect((await publishOnce(run, key)).status).toBe(200);
    const token = await userToken("ann");
    // Has seen and acknowledged a part only.
    const tab = collect("ann", { url: server.url, from: "start", device: "tab" });
    await tab.has(4);

    await disk.fill(server.pid ?? 0);
    // Until the pages that are free within the store's files are used up too.
    let refused = await publishOnce(run, "full 0", bigChars);
    const accepted: string[] = [];
    for (let count = 1; refused.status === 200; count += 1) {
      accepted.push(`full ${count - 1}`);
      refused = await publishOnce(run, `full ${count}`, bigChars);
    }
    expect(refused).toMatchObject({ status: 503, body: { error: { code: "log_full" } } });
    expect(refused.body.error.message).toContain("make room");
    expect(refused.headers.get("retry-after")).toBe("1");
    // Nothing of it was written, also when it is asked for again and again.
    for (const key of ["no 1", "no 2"])
      expect((await publishOnce(run, key, bigChars)).body.error.code).toBe("log_full");
    expect(
      (await call(server.url, "POST /v1/runs", { as: apiKeys.publish, body: { userId: "ann", agent: "a" } })).body,
    ).toMatchObject({ error: { code: "log_full" } });
    expect(await metric(server.url, "runcast_log_up")).toBe(0);
    expect(journalLines(server, "log.down").at(-1)).toMatchObject({ level: "error", because: "full" });

    // Reads, delivery to who comes now, and acks, which wait in memory.
    const all = 1 + stored.length + accepted.length;
    expect(await readAll(server.url, "/v1/events", token)).toHaveLength(all);
    await tab.has(all);
    const late = collect("ann", { url: server.url, from: "start", device: "late" });
    await late.has(all);
    expect((await call(server.url, "GET /v1/runs/ann-1", { as: token })).status).toBe(200);
    expect((await call(server.url, "GET /readyz")).status).toBe(200);

    const freedMs = performance.now();
    await disk.free();
    await expect.poll(() => metric(server.url, "runcast_log_up"), patience).toBe(1);
    const upMs = performance.now() - freedMs;
    console.info(`up ${Math.round(upMs)} ms after there was room (${disk.isMounted ? "tmpfs" : "injected ENOSPC"})`);
    expect(upMs).toBeLessThan(soonMs);
    // The run is not broken, and its next publish works; what was refused is told again under the same key.
    const again = await publishOnce(run, "no 1", bigChars);
    expect(again).toMatchObject({ status: 200, body: { offset: all + 1, duplicates: 0 } });
    expect((await publishOnce(run, "after")).body).toMatchObject({ offset: all + 2 });
    for (const each of [tab, late]) await each.has(all + 2);
    await expect
      .poll(async () => (await call(server.url, "GET /v1/ledger?userId=ann", { as: apiKeys.admin })).body, patience)
      .toMatchObject({ accepted: all + 2, acked: all + 2, deadLettered: 0, difference: 0 });
    expect(tab.seen).toEqual(await readAll(server.url, "/v1/events", token));
    for (const each of [tab, late]) each.client.close();
  });

  it("loses nothing that was acknowledged when the server is killed on it, and starts again once there is room", async () => {
    const run = await new HttpPublisher(server.url).startRun({ userId: "bob", runId: "bob-1" });
    expect((await publishOnce(run, "k1")).status).toBe(200);
    await disk.fill(server.pid ?? 0);
    for (let count = 0; (await publishOnce(run, `full ${count}`, bigChars)).status === 200; count += 1);
    const token = await userToken("bob");
    const before = await readAll(server.url, "/v1/events", token);
    await server.kill9();
    await disk.free();
    await server.restart();
    expect(await readAll(server.url, "/v1/events", token)).toEqual(before);
    expect((await publishOnce(run, "after")).body).toMatchObject({ offset: before.length + 1 });
  });
});
