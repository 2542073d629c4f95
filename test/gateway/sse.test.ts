import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { House } from "./support/house.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { keys, openHouse, token } from "./support/house.ts";

let house: House;
beforeAll(async () => {
  house = await openHouse({ gateway: { allowedOrigins: ["https://app.example"] } });
});
afterAll(() => house.close());

interface SseEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: ReturnType<typeof JSON.parse>;
}

interface Stream {
  readonly response: Response;
  next(): Promise<SseEvent | undefined>;
  nextOf(event: string): Promise<SseEvent>;
  close(): void;
}

function parseBlock(block: string): SseEvent | undefined {
  const fields = new Map(
    block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
  );
  const event = fields.get("event");
  return event === undefined ? undefined : { event, id: fields.get("id"), data: JSON.parse(fields.get("data") ?? "") };
}

const open: Stream[] = [];
afterEach(() => {
  for (const stream of open.splice(0)) stream.close();
});

/** Reads a stream as a browser does. */
async function stream(query: string, headers: Record<string, string>, base = house): Promise<Stream> {
  const abort = new AbortController();
  const response = await fetch(`${base.url}/v1/stream${query}`, { headers, signal: abort.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let buffered = "";
  const next = async (): Promise<SseEvent | undefined> => {
    for (;;) {
      const end = buffered.indexOf("\n\n");
      if (end !== -1) {
        const event = parseBlock(buffered.slice(0, end));
        buffered = buffered.slice(end + 2);
        if (event) return event;
        continue;
      }
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) return undefined;
      buffered += chunk.value;
    }
  };
  const made: Stream = {
    response,
    next,
    nextOf: async (event) => {
      for (;;) {
        const found = await next();
        if (found === undefined) throw new Error(`the stream ended before ${event}`);
        if (found.event === event) return found;
      }
    },
    close: () => abort.abort(),
  };
  open.push(made);
  return made;
}

const as = async (userId: string) => ({ authorization: `Bearer ${await token(userId)}` });
const publish = (run: { runId: string; fence: number }, count: number) =>
  house.call("POST", `/v1/runs/${run.runId}/events`, {
    as: keys.both,
    body: { fence: run.fence, events: Array.from({ length: count }, () => ({ type: "agent_thinking", data: {} })) },
  });

describe("the SSE stream", () => {
  it("has the headers that proxies need", async () => {
    const { response } = await stream("", await as("ann"));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("cache-control")).toContain("no-store");
    expect(response.headers.get("x-accel-buffering")).toBe("no");
  });

  it("carries the same frames, each of the stream with the id to resume from", async () => {
    const run = await house.startRun({ userId: "ben" });
    const sse = await stream("?from=start", await as("ben"));
    const welcome = await sse.next();
    expect(welcome).toMatchObject({
      event: "welcome",
      id: undefined,
      data: { type: "welcome", userId: "ben", epoch: run.epoch },
    });
    const first = await sse.nextOf("events");
    expect(first).toMatchObject({ id: `${run.epoch}:1`, data: { after: 0, upto: 1 } });
    await publish(run, 3);
    expect(await sse.nextOf("events")).toMatchObject({ id: `${run.epoch}:4`, data: { after: 1, upto: 4 } });
  });

  it("begins with a snapshot of what lives", async () => {
    const run = await house.startRun({ userId: "cat" });
    const sse = await stream("", await as("cat"));
    const snapshot = await sse.nextOf("snapshot");
    expect(snapshot).toMatchObject({
      id: `${run.epoch}:1`,
      data: { at: 1, runs: [{ runId: run.runId, state: "started" }] },
    });
  });

  it("resumes from Last-Event-ID, which is newer than the cursor of the URL", async () => {
    const run = await house.startRun({ userId: "dan" });
    await publish(run, 5);
    const sse = await stream(`?cursor=${run.epoch}:1`, { ...(await as("dan")), "last-event-id": `${run.epoch}:4` });
    expect((await sse.next())?.data.resumed).toBe("replayed");
    expect((await sse.nextOf("events")).data).toMatchObject({ after: 4, upto: 6 });
  });

  it("resumes from the cursor of the URL", async () => {
    const run = await house.startRun({ userId: "eva" });
    await publish(run, 2);
    const sse = await stream(`?cursor=${run.epoch}:2`, await as("eva"));
    expect((await sse.nextOf("events")).data).toMatchObject({ after: 2, upto: 3 });
  });

  it("declares a gap for a cursor of another epoch", async () => {
    const run = await house.startRun({ userId: "flo" });
    const sse = await stream("?cursor=another:epoch:7", await as("flo"));
    expect((await sse.nextOf("gap")).id).toBe(`${run.epoch}:1`);
    expect((await sse.nextOf("snapshot")).data.at).toBe(1);
  });

  it("takes a ticket, once, and keeps it while the request is malformed", async () => {
    const { body } = await house.call("POST", "/v1/tickets", { as: await token("gil") });
    expect((await stream(`?ticket=${body.ticket}&from=nowhere`, {})).response.status).toBe(400);
    expect((await (await stream(`?ticket=${body.ticket}`, {})).next())?.data.userId).toBe("gil");
    expect((await stream(`?ticket=${body.ticket}`, {})).response.status).toBe(401);
  });

  it.each([
    ["cursor=nonsense", "cursor"],
    ["cursor=", "cursor"],
    ["cursor=e:-1", "cursor"],
    ["cursor=e:1.5", "cursor"],
    ["cursor=:1", "cursor"],
    ["from=yesterday", "from"],
    [`device=${"d".repeat(65)}`, "device"],
  ])("refuses %s with 400", async (query, path) => {
    const answer = await house.call("GET", `/v1/stream?${query}`, { as: await token() });
    expect([answer.status, answer.body.error.details]).toEqual([400, { path }]);
  });

  it("is for users: an API key gets 401", async () => {
    expect((await house.call("GET", "/v1/stream", { as: keys.both })).status).toBe(401);
  });

  it("is acknowledged beside it, by its own user only", async () => {
    const run = await house.startRun({ userId: "hal" });
    const sse = await stream("?from=start&device=phone", await as("hal"));
    const connectionId = (await sse.next())?.data.connectionId;
    await sse.nextOf("events");
    const body = { connectionId, offset: 1 };
    expect((await house.call("POST", "/v1/ack", { as: await token("ian"), body })).status).toBe(404);
    expect((await house.call("POST", "/v1/ack", { as: await token("hal"), body })).status).toBe(200);
    const ledger = await house.call("GET", "/v1/ledger?userId=hal", { as: keys.admin });
    expect(ledger.body).toMatchObject({ accepted: 1, acked: 1, difference: 0 });
    expect(run.offset).toBe(1);
  });

  it("refuses a malformed ack with 400", async () => {
    const answer = await house.call("POST", "/v1/ack", { as: await token(), body: { connectionId: "c", offset: -1 } });
    expect([answer.status, answer.body.error.details]).toEqual([400, { path: "offset" }]);
  });

  it("can be read by an allowed page of another origin", async () => {
    const { response } = await stream("", { ...(await as("jan")), origin: "https://app.example" });
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example");
  });

  it("frees its connection when the browser goes away", async () => {
    const count = () => house.runtime.stats().connections;
    await expect.poll(count).toBe(0);
    const sse = await stream("", await as("kim"));
    await sse.next();
    expect(count()).toBe(1);
    sse.close();
    await expect.poll(count).toBe(0);
  });

  it("says goodbye and ends when the server goes", async () => {
    const going = await openHouse();
    const sse = await stream("", await as("lea"), going);
    await sse.next();
    const closed = going.close();
    expect((await sse.nextOf("goodbye")).data.reason).toBe("restart");
    expect(await sse.next()).toBeUndefined();
    await closed;
  });

  it("parks a reader that does not read, and loses nothing of it", async () => {
    const sse = await stream("?from=start", await as("max"));
    const connectionId = (await sse.next())?.data.connectionId;
    const run = await house.startRun({ userId: "max" });
    const text = "x".repeat(50_000);
    for (let round = 0; round < 60; round += 1)
      await house.call("POST", `/v1/runs/${run.runId}/events`, {
        as: keys.both,
        body: {
          fence: run.fence,
          events: [{ type: "agent_delta", data: { messageId: `m${round}`, channel: "text", text } }],
        },
      });
    let upto = 0;
    while (upto < 61) {
      const { data } = await sse.nextOf("events");
      expect(data.after).toBe(upto);
      upto = data.upto;
      await house.call("POST", "/v1/ack", { as: await token("max"), body: { connectionId, offset: upto } });
    }
  });
});

describe("the SSE stream's line", () => {
  it("is kept open by a comment every 15 s", async () => {
    const clock = manualClock(Date.now());
    const timed = await openHouse({ gateway: { clock } });
    const abort = new AbortController();
    const headers = await as("ned");
    const { body } = await fetch(`${timed.url}/v1/stream`, { headers, signal: abort.signal });
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    const commentsAfter = async (ms: number): Promise<number> => {
      await clock.advance(ms);
      // Whatever was written before this notice arrives before it.
      await timed.call("POST", "/v1/notices", { as: keys.both, body: { userId: "ned", type: "x.mark", data: {} } });
      let text = "";
      while (!text.includes("x.mark")) text += (await reader?.read())?.value ?? "";
      return text.split("\n").filter((line) => line.startsWith(":")).length;
    };
    expect(await commentsAfter(14_999)).toBe(0);
    expect(await commentsAfter(1)).toBe(1);
    expect(await commentsAfter(30_000)).toBe(2);
    abort.abort();
    const closed = timed.close();
    await clock.advance(1_000);
    await closed;
  });
});
