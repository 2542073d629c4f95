import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asEpoch } from "../../../protocol/ids.ts";
import type { StreamItem } from "../../../src/client/intake.ts";
import { connect } from "../../../src/client/index.ts";
import { hello } from "../../gateway/support/socket.ts";
import { done, type Started } from "../../support/black-box.ts";
import { apiKeys, userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { eventually } from "../../support/eventually.ts";
import { NetworkWorld } from "../../support/network-world.ts";
import { SseStream } from "../../support/sse-stream.ts";

const retentionMs = 1_000;
const leaseMs = 3_600_000;
/** The default of a connection. */
const windowEvents = 1_024;
/** Of a publish. */
const maxBatch = 1_000;

let world: NetworkWorld;
beforeAll(async () => {
  world = await NetworkWorld.open({ env: { RUNCAST_RETENTION_MS: String(retentionMs) } });
});
afterAll(() => world[Symbol.asyncDispose]());

interface Trimmed {
  readonly token: string;
  readonly epoch: string;
  /** The newest offset that went. */
  readonly gone: number;
  readonly head: number;
  readonly living: Started;
}

/** What `GET /v1/events` says is gone, after offset 0. */
async function goneOf(token: string): Promise<number> {
  const { body } = await world.box.call("GET /v1/events?after=0&limit=1", { as: token });
  return body.gap?.upto ?? 0;
}

/** A stream of which the server's own sweep takes a run that said so much and has ended, while another one lives. */
async function trimmed(userId: string, count: number, before: (run: Started) => Promise<void> = async () => {}) {
  const token = await userToken(userId);
  const ended = await world.box.start({ userId, leaseMs });
  await before(ended);
  for (let left = count; left > 0; left -= maxBatch)
    await world.say(ended, ...Array.from({ length: Math.min(left, maxBatch) }, (_, at) => at));
  const gone: number = (await world.box.say(ended, [done])).body.offset;
  const living = await world.box.start({ userId, leaseMs });
  const head = await world.say(living, "this", "is", "kept");
  await eventually(async () => expect(await goneOf(token)).toBe(gone));
  const stream: Trimmed = { token, epoch: living.epoch, gone, head, living };
  return stream;
}

describe.concurrent("a cursor from before what is kept", () => {
  it("is told what will not come, and gets the rest, on the socket and over SSE, beside a tab that was there (I7)", async () => {
    const staying = collect("cut", { url: world.box.url, from: "start" });
    const { token, epoch, gone, head, living } = await trimmed("cut", 8, () => staying.live());
    for (const offset of [0, 1, gone - 1]) {
      const expected = [
        { type: "welcome", resumed: "gap", head },
        { type: "gap", from: offset + 1, upto: gone, reason: "retention" },
        { type: "events", after: gone, upto: head },
      ];
      const socket = await hello(world.box.url, token, { cursor: { epoch, offset } });
      expect([await socket.next(), await socket.next(), await socket.next()]).toMatchObject(expected);
      await socket.close();
      for (const [query, headers] of [
        ["", { "last-event-id": `${epoch}:${offset}` }],
        [`?cursor=${epoch}:${offset}`, {}],
      ] as const) {
        const stream = await SseStream.open(world.box.url, token, query, headers);
        await stream.until(({ type }) => type === "events");
        expect(stream.frames).toMatchObject(expected);
        stream.close();
      }
    }
    for (const offset of [gone, gone + 1, head]) {
      const socket = await hello(world.box.url, token, { cursor: { epoch, offset } });
      expect(await socket.next()).toMatchObject({ type: "welcome", resumed: "replayed" });
      if (offset < head) expect(await socket.next()).toMatchObject({ type: "events", after: offset, upto: head });
      await socket.close();
    }
    // The run that lives is whole, and the tab that was there has seen both and no gap.
    await staying.has(head);
    expect(staying.seen.map(({ offset }) => offset)).toEqual(Array.from({ length: head }, (_, at) => at + 1));
    const { body } = await world.box.call(`GET /v1/runs/${living.runId}`, { as: apiKeys.admin });
    expect([body.seq, staying.client.run(living.runId).view]).toEqual([4, body]);
    staying.client.close();
  });

  it("is told to the application of a client that comes back: at its place, once, and then the tail (L4)", async () => {
    const before = collect("away", { url: world.box.url, from: "start", device: "d" });
    const { epoch, gone, head } = await trimmed("away", 10, async (run) => {
      await before.has(await world.say(run, "seen"));
      before.client.close();
    });
    const cursor = { epoch: asEpoch(epoch), offset: 2 };
    expect(before.client.status.cursor).toEqual(cursor);
    const items: StreamItem[] = [];
    const gaps: unknown[] = [];
    const client = connect({ url: world.box.url, token: () => userToken("away"), device: "d", cursor });
    client.on("gap", (gap) => gaps.push(gap));
    const reading = (async () => {
      for await (const item of client.events({ gaps: true })) {
        items.push(item);
        if (item.type !== "gap" && item.offset === head) break;
      }
    })();
    await reading;
    const gap = { type: "gap", from: 3, upto: gone, reason: "retention" };
    expect(gaps).toEqual([gap]);
    expect(items[0]).toEqual(gap);
    expect(items.slice(1)).toEqual((await world.log("away")).slice(-4));
    expect(client.status).toMatchObject({ holes: 0, doubles: 0, cursor: { epoch, offset: head } });
    client.close();
    // Nobody had acknowledged what went: it is dead, counted, and not lost from the books (I11).
    const ledger = await world.ledger("away");
    expect(ledger).toMatchObject({ accepted: head, difference: 0 });
    expect(ledger.deadLettered).toBeGreaterThan(0);
    expect(ledger.acked + ledger.stored + ledger.deadLettered).toBe(head);
  });

  it("is found in the middle of a connection whose reader stands still: the gap comes where the hole is (L4)", async () => {
    const userId = "still";
    const token = await userToken(userId);
    const socket = await hello(world.box.url, token, { from: "start" });
    await socket.nextOf("welcome");
    const { gone, head } = await trimmed(userId, windowEvents + 300);
    let upto = 0;
    while (upto < windowEvents) {
      const frame = await socket.nextOf("events");
      expect(frame.after).toBe(upto);
      ({ upto } = frame);
    }
    expect(upto).toBe(windowEvents);
    socket.send({ type: "ack", offset: upto });
    expect(await socket.next()).toEqual({ type: "gap", from: upto + 1, upto: gone, reason: "retention" });
    expect(await socket.next()).toMatchObject({ type: "events", after: gone, upto: head });
    await socket.close();
  });
});

describe("a run that lives", () => {
  it("is never cut, however old: it can be resumed from any of its places, and goes when it has ended", async () => {
    const userId = "old";
    const token = await userToken(userId);
    const run = await world.box.start({ userId, leaseMs });
    await world.say(run, 2, 3, 4);
    // Another stream shows that sweeps went round meanwhile, more than once.
    await trimmed("other-1", 4);
    await trimmed("other-2", 4);
    const head = await world.say(run, 5);
    for (let offset = 0; offset <= head; offset += 1) {
      const socket = await hello(world.box.url, token, { cursor: { epoch: run.epoch, offset } });
      expect(await socket.next()).toMatchObject({ type: "welcome", resumed: "replayed", head });
      if (offset < head) expect(await socket.next()).toMatchObject({ type: "events", after: offset, upto: head });
      await socket.close();
    }
    await world.box.say(run, [done]);
    await eventually(async () => expect(await goneOf(token)).toBe(head + 1));
    const socket = await hello(world.box.url, token, { cursor: { epoch: run.epoch, offset: 1 } });
    expect(await socket.next()).toMatchObject({ type: "welcome", resumed: "gap", head: head + 1 });
    expect(await socket.next()).toEqual({ type: "gap", from: 2, upto: head + 1, reason: "retention" });
    await socket.close();
    expect(world.box.server.stderr).not.toContain('"level":"error"');
  });
});
