import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../protocol/event.ts";
import { apiKeys, BuiltServer, userToken } from "../support/built-server.ts";
import { collect } from "../support/collecting-client.ts";
import { HttpPublisher } from "../support/http-publisher.ts";
import { call, readAll } from "../support/http-reader.ts";
import { seededRandom } from "../support/seeded-random.ts";

const kills = 5;
const runCount = 4;
/** Acknowledged from one kill to the next, at most. */
const maxEventsBetweenKills = 120;
const maxBatch = 4;
const patienceMs = 20_000;
const lookMs = 1;

/** The same seed draws the same sizes and the same distances between kills. */
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const random = seededRandom(seed);

let server: BuiltServer;
beforeAll(async () => {
  server = await BuiltServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** What a run says in its nth batch, each event named so that it can be found again. */
function batch(runId: string, at: number, size: number) {
  return Array.from({ length: size }, (_, index) => {
    const name = `${runId}/${at}.${index}`;
    return { type: "agent_delta", data: { messageId: "m", channel: "text", text: `${name} `, name }, key: name };
  });
}

const nameOf = ({ data }: StreamEvent): unknown => Reflect.get(data, "name");

/** Publishes one run until it is told to end it; `said` is what was acknowledged, in order. */
async function publishRun(
  publisher: HttpPublisher,
  userId: string,
  runId: string,
  said: string[],
  isOver: () => boolean,
): Promise<string> {
  const run = await publisher.startRun({ userId, runId });
  for (let at = 0; !isOver(); at += 1) {
    const events = batch(runId, at, 1 + Math.floor(random() * maxBatch));
    await publisher.publish(run, events);
    for (const { key } of events) said.push(key);
  }
  await publisher.publish(run, [{ type: "agent_completed", data: { output: runId }, key: "end" }]);
  return run.epoch;
}

describe(`a server that is killed in mid-run (SEED=${seed})`, () => {
  it("loses nothing it acknowledged, doubles nothing, keeps the order, and every reader ends equal", async () => {
    const publisher = new HttpPublisher(() => server.url);
    const token = await userToken("alice");
    const stayed = collect("alice", { url: server.url, from: "start", device: "stayed" });
    const left = collect("alice", { url: server.url, from: "start", device: "left" });
    await Promise.all([stayed.live(), left.live()]);

    const runIds = Array.from({ length: runCount }, (_, at) => `run-${at}`);
    const said = new Map(runIds.map((runId): [string, string[]] => [runId, []]));
    let isOver = false;
    const publishing = runIds.map((runId) =>
      publishRun(publisher, "alice", runId, said.get(runId) ?? [], () => isOver),
    );
    const all = Promise.all(publishing);
    all.catch(() => {});
    // What goes wrong for a publisher is what the test should fail with, and not that nothing goes on.
    const orRefused = <Value>(wait: Promise<Value>): Promise<Value> => Promise.race([wait, all.then(() => wait)]);

    const count = () => publisher.acknowledged.length;
    const reaches = async (events: number) =>
      expect.poll(count, { timeout: patienceMs, interval: lookMs }).toBeGreaterThanOrEqual(events);
    const repeats = async (before: number) =>
      expect.poll(() => publisher.repeats, { timeout: patienceMs, interval: lookMs }).toBeGreaterThan(before);
    for (let kill = 0; kill < kills; kill += 1) {
      // Everywhere in the runs, and with calls of the other runs on their way.
      await orRefused(reaches(count() + Math.ceil(random() * maxEventsBetweenKills)));
      if (kill === 1) await stopReading(left);
      const before = publisher.repeats;
      await server.kill9();
      // A killed server leaves calls without an answer: what they brought is settled by repeating them.
      await orRefused(repeats(before));
      await server.restart();
      // Every other time, the next kill comes only when the client that stayed is back.
      if (kill % 2 === 0) await stayed.live();
    }
    await orRefused(reaches(count() + maxEventsBetweenKills));
    isOver = true;

    const epochs = await all;
    const log = await readAll(server.url, "/v1/events", token, 500);
    const head = log.at(-1)?.offset ?? 0;
    const back = collect("alice", { url: server.url, device: "left", ...cursorOf(left) });
    await Promise.all([stayed.has(head), back.has(head)]);

    // Dense, in every run and over all.
    expect(log.map(({ offset }) => offset)).toEqual(log.map((_, index) => index + 1));
    for (const runId of runIds) {
      const ofRun = log.filter((event) => event.runId === runId);
      expect(ofRun.map(({ seq }) => seq)).toEqual(ofRun.map((_, index) => index + 1));
      expect(ofRun.at(0)?.type).toBe("agent_started");
      expect(ofRun.at(-1)?.type).toBe("agent_completed");
      // Nothing acknowledged is lost, nothing came twice, and it stands as it was said.
      expect(ofRun.slice(1, -1).map(nameOf)).toEqual(said.get(runId));
      const view = (await call(server.url, `GET /v1/runs/${runId}`, { as: token })).body;
      expect(view.messages[0].text).toBe(`${said.get(runId)?.join(" ")} `);
      expect(stayed.client.run(runId).view).toEqual(view);
    }

    // One stream for all: who stayed, who was away, and who asks by HTTP.
    expect(stayed.seen).toEqual(log);
    expect([...left.seen, ...back.seen]).toEqual(log);
    expect(left.seen.length).toBeGreaterThan(0);
    expect(back.seen.length).toBeGreaterThan(0);
    expect(stayed.client.status).toMatchObject({ holes: 0, mayRepeat: false });
    expect(new Set([...epochs, stayed.client.status.cursor?.epoch, back.client.status.cursor?.epoch]).size).toBe(1);

    // The accounts agree with the log.
    const ledger = (await call(server.url, "GET /v1/ledger?userId=alice", { as: apiKeys.admin })).body;
    expect(ledger).toMatchObject({ accepted: log.length, deadLettered: 0, difference: 0 });
    for (const { client } of [stayed, back]) client.close();
  });

  it("takes no event of a dead server for its own: what a client saw is in the log of the next one", async () => {
    const publisher = new HttpPublisher(() => server.url);
    const token = await userToken("bea");
    const tab = collect("bea", { url: server.url, from: "start" });
    await tab.live();
    const run = await publisher.startRun({ userId: "bea", runId: "bea-1" });
    for (let round = 0; round < 3; round += 1) {
      const seenBefore = tab.seen.length;
      // Not awaited: the kill comes with the first sight of it, before or after its publisher hears.
      const publishing = publisher.publish(run, batch("bea-1", round, maxBatch));
      await expect.poll(() => tab.seen.length, { timeout: patienceMs, interval: lookMs }).toBeGreaterThan(seenBefore);
      await server.kill9();
      const seen = [...tab.seen];
      await server.restart();
      const log = await readAll(server.url, "/v1/events", token);
      expect(log.slice(0, seen.length)).toEqual(seen);
      await publishing;
      await tab.has((await readAll(server.url, "/v1/events", token)).at(-1)?.offset ?? 0);
    }
    expect(tab.seen).toEqual(await readAll(server.url, "/v1/events", token));
    tab.client.close();
  });

  it("ends a run whose runner died with it, once lease and grace are over", async () => {
    await using brief = await BuiltServer.start({ env: { RUNCAST_LEASE_MS: "1000", RUNCAST_GRACE_MS: "200" } });
    const publisher = new HttpPublisher(() => brief.url);
    const run = await publisher.startRun({ userId: "cy", runId: "cy-1" });
    await publisher.publish(run, [{ type: "tool_executing", data: { toolCallId: "c1", toolName: "slow" } }]);
    await brief.kill9();
    await brief.restart();
    const tab = collect("cy", { url: brief.url, from: "start" });
    const view = await tab.client.run("cy-1").done;
    expect(view).toMatchObject({ state: "interrupted", reason: "lease_expired", tools: [{ status: "cancelled" }] });
    await tab.has(view.offset);
    expect(tab.seen.map(({ type, repaired }) => [type, repaired])).toEqual([
      ["agent_started", undefined],
      ["tool_executing", undefined],
      ["tool_completed", true],
      ["agent_interrupted", undefined],
    ]);
    await expect(publisher.publish(run, [{ type: "agent_thinking" }])).rejects.toMatchObject({ status: 410 });
    tab.client.close();
  });
});

/** Closes a client; the place up to which its application had read stays in its status. */
async function stopReading(reader: ReturnType<typeof collect>): Promise<void> {
  await expect.poll(() => reader.seen.length, { timeout: patienceMs, interval: lookMs }).toBeGreaterThan(0);
  reader.client.close();
}

function cursorOf({ client, seen }: ReturnType<typeof collect>) {
  const { cursor } = client.status;
  // What the application was handed, not what the connection had taken in.
  return cursor === undefined ? {} : { cursor: { epoch: cursor.epoch, offset: seen.at(-1)?.offset ?? 0 } };
}
