import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiKeys, BuiltServer, userToken } from "../support/built-server.ts";
import { collect } from "../support/collecting-client.ts";
import { HttpPublisher } from "../support/http-publisher.ts";
import { call, readAll } from "../support/http-reader.ts";
import { SseStream } from "../support/sse-stream.ts";

/** What every run says at least: the five core events. */
const coreTypes = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"];
const work = [
  { type: "agent_thinking", data: { thought: "17 × 4 needs the calculator", step: 0 } },
  { type: "tool_executing", data: { toolCallId: "c1", toolName: "calculator", args: { expression: "17 * 4" } } },
  { type: "tool_completed", data: { toolCallId: "c1", status: "ok", result: { value: 68 }, durationMs: 3 } },
  { type: "agent_completed", data: { output: "68 ✓ 日本 \u{1f680}", usage: { tokens: 12 } } },
] as const;
const delta = (text: string) => ({ type: "agent_delta", data: { messageId: "m1", channel: "text", text } });

let server: BuiltServer;
let publisher: HttpPublisher;

beforeAll(async () => {
  server = await BuiltServer.start();
  publisher = new HttpPublisher(() => server.url);
});
afterAll(() => server[Symbol.asyncDispose]());

/** One run of this user, published event by event; answers the offset of its end. */
async function publishRun(userId: string, runId: string): Promise<number> {
  const run = await publisher.startRun({ userId, runId, threadId: "t1", input: { text: "What is 17 × 4?" } });
  let { offset } = run;
  for (const event of work) ({ offset } = await publisher.publish(run, [event]));
  return offset;
}

describe("the main path", () => {
  it("brings the five core events from a publisher to every tab, in order and once", async () => {
    const first = collect("ana", { url: server.url, device: "first" });
    const second = collect("ana", { url: server.url, device: "second" });
    await Promise.all([first.live(), second.live()]);
    const head = await publishRun("ana", "ana-1");
    await Promise.all([first.has(head), second.has(head)]);
    const view = await first.client.run("ana-1").done;

    expect(first.seen.map(({ type }) => type)).toEqual(coreTypes);
    expect(first.seen.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5]);
    expect(first.seen.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    expect(first.seen.slice(1).map(({ data }) => data)).toEqual(work.map(({ data }) => data));
    expect(second.seen).toEqual(first.seen);
    expect(view).toMatchObject({
      state: "completed",
      output: "68 ✓ 日本 \u{1f680}",
      tools: [{ result: { value: 68 } }],
    });
    expect((await call(server.url, "GET /v1/runs/ana-1", { as: await userToken("ana") })).body).toEqual(view);
    for (const { client } of [first, second]) {
      expect(client.status).toMatchObject({ holes: 0, doubles: 0, mayRepeat: false });
      client.close();
    }
  });

  it("gives a tab that comes late the folded state and then the tail", async () => {
    const run = await publisher.startRun({ userId: "ben", runId: "ben-1", threadId: "t1" });
    await publisher.publish(run, [{ type: "agent_thinking", data: { thought: "hm" } }, delta("Hel"), delta("lo")]);
    const late = collect("ben", { url: server.url });
    await late.live();
    expect(late.client.run("ben-1").view).toMatchObject({ state: "thinking", messages: [{ text: "Hello" }], seq: 4 });
    const { offset } = await publisher.publish(run, [
      delta("!"),
      { type: "agent_completed", data: { output: "Hello!" } },
    ]);
    await late.has(offset);
    expect(late.seen.map((event) => [event.offset, event.type])).toEqual([
      [5, "agent_delta"],
      [6, "agent_completed"],
    ]);
    expect(late.client.run("ben-1").view).toMatchObject({ state: "completed", messages: [{ text: "Hello!" }] });
    late.client.close();
  });

  it("goes on at the cursor after a cut, equal to a tab that was never cut", async () => {
    const stayed = collect("cleo", { url: server.url, from: "start" });
    const cut = collect("cleo", { url: server.url, from: "start" });
    await Promise.all([stayed.live(), cut.live()]);
    const run = await publisher.startRun({ userId: "cleo", runId: "cleo-1" });
    let head = 1;
    for (let round = 0; round < 8; round += 1) {
      // Every other round it is away: what is said then it must be told later.
      if (round % 2 === 0) cut.client.cut();
      ({ offset: head } = await publisher.publish(run, [delta(`${round}a`), delta(`${round}b`)]));
      if (round % 2 === 1) await cut.has(head);
    }
    ({ offset: head } = await publisher.publish(run, [{ type: "agent_completed" }]));
    await Promise.all([stayed.has(head), cut.has(head)]);
    expect(cut.seen).toEqual(stayed.seen);
    expect(cut.seen.map(({ offset }) => offset)).toEqual(Array.from({ length: head }, (_, at) => at + 1));
    expect(cut.client.run("cleo-1").view).toEqual(stayed.client.run("cleo-1").view);
    expect(cut.client.status.holes).toBe(0);
    for (const { client } of [stayed, cut]) client.close();
  });

  it("resumes a new client, in a new page, by the cursor that the first one left", async () => {
    const before = collect("dan", { url: server.url, from: "start" });
    await before.live();
    const run = await publisher.startRun({ userId: "dan", runId: "dan-1" });
    const { offset: read } = await publisher.publish(run, [delta("a"), delta("b")]);
    await before.has(read);
    before.client.close();
    const { cursor } = before.client.status;
    expect(cursor).toEqual({ epoch: run.epoch, offset: read });
    const { offset: head } = await publisher.publish(run, [delta("c"), { type: "agent_completed" }]);
    const after = collect("dan", { url: server.url, ...(cursor && { cursor }) });
    await after.has(head);
    const token = await userToken("dan");
    expect([...before.seen, ...after.seen]).toEqual(await readAll(server.url, "/v1/events", token));
    after.client.close();
  });

  it("streams over SSE what it streams over the socket, and resumes by Last-Event-ID", async () => {
    const token = await userToken("eva");
    const socket = collect("eva", { url: server.url, from: "start" });
    await socket.live();
    const whole = await SseStream.open(server.url, token, "?from=start");
    const cut = await SseStream.open(server.url, token, "?from=start");
    await cut.until(({ type }) => type === "welcome");
    const run = await publisher.startRun({ userId: "eva", runId: "eva-1" });
    const { offset: read } = await publisher.publish(run, [work[0]]);
    await cut.until((frame) => frame.type === "events" && frame.upto >= read);
    cut.close();
    expect(cut.lastEventId).toBe(`${run.epoch}:${read}`);

    let head = read;
    for (const event of work.slice(1)) ({ offset: head } = await publisher.publish(run, [event]));
    const resumed = await SseStream.open(server.url, token, "", { "last-event-id": cut.lastEventId ?? "" });
    for (const stream of [whole, resumed]) await stream.until((frame) => frame.type === "events" && frame.upto >= head);
    await socket.has(head);
    expect(whole.events).toEqual(socket.seen);
    expect(cut.events.concat(resumed.events)).toEqual(socket.seen);
    expect(resumed.frames[0]).toMatchObject({ type: "welcome", resumed: "replayed", head });
    const covered = resumed.frames.flatMap((frame) => (frame.type === "events" ? [[frame.after, frame.upto]] : []));
    expect(covered[0]?.[0]).toBe(read);
    for (const stream of [whole, resumed]) stream.close();
    socket.client.close();
  });

  it("shows one and the same event on the socket, in SSE and in both lists", async () => {
    const token = await userToken("finn");
    const socket = collect("finn", { url: server.url, from: "start" });
    const sse = await SseStream.open(server.url, token, "?from=start");
    const head = await publishRun("finn", "finn:1._-Z");
    await socket.has(head);
    await sse.until((frame) => frame.type === "events" && frame.upto >= head);
    const events = await readAll(server.url, "/v1/events", token, 2);
    expect(events).toHaveLength(5);
    expect(socket.seen).toEqual(events);
    expect(sse.events).toEqual(events);
    expect(await readAll(server.url, `/v1/runs/${encodeURIComponent("finn:1._-Z")}/events`, token, 3)).toEqual(events);
    expect(await readAll(server.url, "/v1/events?userId=finn", apiKeys.admin, 1)).toEqual(events);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    for (const { time, runId, threadId } of events) {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect([runId, threadId]).toEqual(["finn:1._-Z", "t1"]);
    }
    sse.close();
    socket.client.close();
  });

  it("counts what every user has and has read, with a difference of nothing", async () => {
    const tab = collect("gil", { url: server.url, from: "start", device: "tab" });
    const head = await publishRun("gil", "gil-1");
    await tab.has(head);
    const ledger = async () => (await call(server.url, "GET /v1/ledger?userId=gil", { as: apiKeys.admin })).body;
    const atRest = { accepted: 5, acked: 5, stored: 0, deadLettered: 0, difference: 0 };
    await expect.poll(ledger, { timeout: 5_000 }).toEqual(atRest);
    const all = (await call(server.url, "GET /v1/ledger", { as: apiKeys.admin })).body;
    expect(all.difference).toBe(0);
    expect(all.accepted).toBeGreaterThanOrEqual(5);
    tab.client.close();
  });
});
