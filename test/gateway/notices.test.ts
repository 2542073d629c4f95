import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BroadcastResult } from "../../protocol/http.ts";
import { SseStream } from "../support/sse-stream.ts";
import type { House } from "./support/house.ts";
import { keys, openHouse, token } from "./support/house.ts";
import type { TestSocket } from "./support/socket.ts";
import { hello } from "./support/socket.ts";

let house: House;
beforeAll(async () => {
  house = await openHouse({ runtime: { windowEvents: 4 } });
});
afterAll(() => house.close());

let people = 0;
/** Somebody whom no other test has seen. */
const somebody = (): string => {
  people += 1;
  return `reader-${people}`;
};

interface Asked {
  readonly ackWaitMs?: number;
  readonly key?: string;
  readonly data?: Record<string, unknown>;
}

async function notify(userId: string, more: Asked = {}): Promise<BroadcastResult> {
  const { status, body } = await house.call("POST", "/v1/notices", {
    as: keys.both,
    body: { userId, type: "x.mail", data: { n: 1 }, ...more },
  });
  expect(status).toBe(200);
  return body;
}

async function tab(userId: string, more: Record<string, unknown> = {}): Promise<{ socket: TestSocket; id: string }> {
  const socket = await hello(house.url, await token(userId), { from: "now", ...more });
  const { connectionId } = await socket.nextOf("welcome");
  return { socket, id: connectionId };
}

/** Acknowledges each frame of events as it comes. */
function acknowledge({ socket }: { readonly socket: TestSocket }): void {
  socket.raw.on("message", (data: Buffer) => {
    const frame = JSON.parse(data.toString("utf8")) as { type: string; upto: number };
    if (frame.type === "events") socket.send({ type: "ack", offset: frame.upto });
  });
}

describe("POST /v1/notices over real sockets", () => {
  it("counts nobody where nobody is connected", async () => {
    expect(await notify(somebody(), { ackWaitMs: 10_000 })).toMatchObject({
      ...{ connectionsAttempted: 0, successfulSends: 0, acknowledged: 0, errors: [] },
    });
  });

  it("counts both tabs of a user, and nobody else's", async () => {
    const userId = somebody();
    const tabs = [await tab(userId), await tab(userId)];
    await tab(somebody());
    for (const each of tabs) acknowledge(each);
    const result = await notify(userId, { ackWaitMs: 10_000 });
    expect(result).toMatchObject({ connectionsAttempted: 2, successfulSends: 2, acknowledged: 2, errors: [] });
    for (const { socket } of tabs) expect((await socket.nextOf("events")).upto).toBe(result.offset);
  });

  it("waits for acks no longer than it was told, and counts those that came", async () => {
    const userId = somebody();
    acknowledge(await tab(userId));
    const silent = await tab(userId);
    expect(await notify(userId, { ackWaitMs: 300 })).toMatchObject({
      ...{ connectionsAttempted: 2, successfulSends: 2, acknowledged: 1, errors: [] },
    });
    expect((await silent.socket.nextOf("events")).events).toHaveLength(1);
  });

  it("counts no ack that it was not asked to wait for", async () => {
    const userId = somebody();
    acknowledge(await tab(userId));
    expect(await notify(userId)).toMatchObject({ successfulSends: 1, acknowledged: 0 });
  });

  it("counts a reader over SSE, and its ack beside the stream", async () => {
    const userId = somebody();
    const jwt = await token(userId);
    const stream = await SseStream.open(house.url, jwt, "?from=now");
    const welcome = await stream.until((frame) => frame.type === "welcome");
    const { connectionId } = welcome as Extract<typeof welcome, { type: "welcome" }>;
    const result = notify(userId, { ackWaitMs: 10_000 });
    const events = await stream.until((frame) => frame.type === "events");
    const { upto } = events as Extract<typeof events, { type: "events" }>;
    await house.call("POST", "/v1/ack", { as: jwt, body: { connectionId, offset: upto } });
    expect(await result).toMatchObject({ connectionsAttempted: 1, successfulSends: 1, acknowledged: 1 });
    stream.close();
  });

  it("does not try a tab whose filter shuts it out", async () => {
    const userId = somebody();
    const shut = await tab(userId, { want: { types: ["agent_delta"] } });
    await tab(userId, { want: { threads: ["thread-1"] } });
    const open = await tab(userId, { want: { types: ["x.mail"] } });
    expect(await notify(userId)).toMatchObject({ connectionsAttempted: 1, successfulSends: 1, errors: [] });
    expect((await open.socket.nextOf("events")).events).toHaveLength(1);
    expect(shut.socket.frames.some(({ type }) => type === "events")).toBe(false);
  });

  it("counts a reader whose window is full as an error, and brings it the event once it has acknowledged", async () => {
    const userId = somebody();
    const [slow, quick] = [await tab(userId), await tab(userId)];
    acknowledge(quick);
    for (let n = 0; n < 4; n += 1) await notify(userId, { ackWaitMs: 300 });
    const result = await notify(userId, { ackWaitMs: 5_000 });
    expect(result).toMatchObject({ connectionsAttempted: 2, successfulSends: 1, acknowledged: 1 });
    expect(result.errors).toMatchObject([{ connectionId: slow.id, code: "not_sent" }]);
    slow.socket.send({ type: "ack", offset: result.offset - 1 });
    await expect
      .poll(() => slow.socket.frames.flatMap((frame) => (frame.type === "events" ? frame.events : [])).at(-1)?.offset)
      .toBe(result.offset);
  });

  it("counts a reader that stopped reading as handed over while the system takes it, then as an error", async () => {
    const wide = await openHouse({ runtime: { windowEvents: 1_000, windowBytes: 64 * 2 ** 20 } });
    const socket = await hello(wide.url, await token("still"), { from: "now" });
    await socket.nextOf("welcome");
    socket.raw.pause();
    const say = async (): Promise<BroadcastResult> => {
      const body = { userId: "still", type: "x.mail", data: { text: "x".repeat(60_000) } };
      return (await wide.call("POST", "/v1/notices", { as: keys.both, body })).body;
    };
    const results: BroadcastResult[] = [];
    // Until the buffers of the system and ours are full.
    while (results.length < 500 && results.at(-1)?.successfulSends !== 0) results.push(await say());
    const last = results.at(-1);
    expect(last).toMatchObject({ connectionsAttempted: 1, successfulSends: 0, errors: [{ code: "not_sent" }] });
    const handedOver = results.filter(({ successfulSends }) => successfulSends === 1);
    expect(handedOver.length).toBe(results.length - 1);
    socket.raw.resume();
    const offsets = (): number[] =>
      socket.frames.flatMap((frame) => (frame.type === "events" ? frame.events.map(({ offset }) => offset) : []));
    await expect.poll(offsets, { timeout: 10_000 }).toEqual(results.map(({ offset }) => offset));
    await wide.close();
  });

  it("never counts a device that went without a word as acknowledged, and waits for it no longer", async () => {
    const userId = somebody();
    const gone = await tab(userId);
    gone.socket.raw.once("message", () => gone.socket.raw.terminate());
    const startMs = performance.now();
    const result = await notify(userId, { ackWaitMs: 10_000 });
    expect(result).toMatchObject({ connectionsAttempted: 1, successfulSends: 1, acknowledged: 0 });
    expect(performance.now() - startMs).toBeLessThan(8_000);
  });

  it("counts a socket that is cut under the notices as tried, sent or gone, and never twice", async () => {
    const userId = somebody();
    const cut = await tab(userId);
    const stays = await tab(userId);
    acknowledge(stays);
    const results = Promise.all(Array.from({ length: 8 }, async () => notify(userId, { ackWaitMs: 2_000 })));
    cut.socket.raw.terminate();
    for (const { connectionsAttempted, successfulSends, acknowledged, errors } of await results) {
      expect(acknowledged).toBe(1);
      expect(successfulSends + errors.length).toBe(connectionsAttempted);
      expect(connectionsAttempted).toBeLessThanOrEqual(2);
      for (const { connectionId, code } of errors) {
        expect(connectionId).toBe(cut.id);
        expect(["gone", "not_sent"]).toContain(code);
      }
    }
    expect(await notify(userId, { ackWaitMs: 2_000 })).toMatchObject({ connectionsAttempted: 1, acknowledged: 1 });
  });

  it("answers a repeated call with who has it by now", async () => {
    const userId = somebody();
    const only = await tab(userId);
    const first = await notify(userId, { key: "k" });
    expect(first).toMatchObject({ successfulSends: 1, acknowledged: 0 });
    await tab(userId);
    only.socket.send({ type: "ack", offset: first.offset });
    await expect.poll(async () => (await notify(userId, { key: "k" })).acknowledged).toBe(1);
    expect(await notify(userId, { key: "k" })).toEqual({ ...first, acknowledged: 1 });
  });
});
