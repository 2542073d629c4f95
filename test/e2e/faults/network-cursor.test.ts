import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServerFrame } from "../../../protocol/frames.ts";
import { hello, openSocket } from "../../gateway/support/socket.ts";
import { refused, type Started } from "../../support/black-box.ts";
import { userToken } from "../../support/built-server.ts";
import { NetworkWorld } from "../../support/network-world.ts";
import { SseStream } from "../../support/sse-stream.ts";

/** Events of the stream that every cursor is held against: a living run's start and three more. */
const head = 4;
let world: NetworkWorld;
beforeAll(async () => {
  world = await NetworkWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

/** A frame in few words: what the contract says of a start. */
function brief(frame: ServerFrame): readonly unknown[] {
  if (frame.type === "welcome") return [frame.type, frame.resumed, frame.head];
  if (frame.type === "events") return [frame.type, frame.after, frame.upto, frame.events.length];
  if (frame.type === "gap") return [frame.type, frame.from, frame.upto, frame.reason];
  return frame.type === "snapshot" ? [frame.type, frame.at, frame.runs.map(({ runId }) => runId)] : [frame.type];
}

type Brief = readonly (readonly unknown[])[];
/** A living run of a user of its own, at the head. */
async function standing(userId: string): Promise<{ readonly run: Started; readonly token: string }> {
  const run = await world.box.start({ userId, leaseMs: 3_600_000 });
  await world.say(run, 2, 3, 4);
  return { run, token: await userToken(userId) };
}

interface Opened {
  next(): Promise<ServerFrame>;
  close(): void;
}

/** The three ways in which a cursor is said. */
const ways: Readonly<Record<string, (token: string, epoch: string, offset: number) => Promise<Opened>>> = {
  "hello.cursor": async (token, epoch, offset) => {
    const socket = await hello(world.box.url, token, { cursor: { epoch, offset } });
    return { next: () => socket.next(), close: () => void socket.close() };
  },
  "Last-Event-ID": async (token, epoch, offset) =>
    streamed(await SseStream.open(world.box.url, token, "", { "last-event-id": `${epoch}:${offset}` })),
  "?cursor=": async (token, epoch, offset) =>
    streamed(await SseStream.open(world.box.url, token, `?cursor=${encodeURIComponent(`${epoch}:${offset}`)}`)),
};

function streamed(stream: SseStream): Opened {
  let taken = 0;
  return {
    next: () => stream.until((frame) => stream.frames.indexOf(frame) === taken).finally(() => (taken += 1)),
    close: () => stream.close(),
  };
}

/** The most that is a whole number for every reader of JSON. */
const most = Number.MAX_SAFE_INTEGER;

const replayed = (offset: number): Brief => [
  ["welcome", "replayed", head],
  ...(offset < head ? [["events", offset, head, head - offset]] : []),
];

describe("a cursor that is well formed", () => {
  it.each(Object.entries(ways))("gets the contract's one answer, and the tail after it: %s (I7)", async (way, open) => {
    const { run, token } = await standing(`ria ${way}`);
    const { epoch } = run;
    const distrusted = (reason: "ahead" | "epoch"): Brief => [
      ["welcome", "gap", head],
      ["gap", 1, head, reason],
      ["snapshot", head, [run.runId]],
    ];
    const others = ["an-older-one", `${epoch}x`, epoch.slice(1), `a:${epoch}`, "0", " ~", "x".repeat(64)];
    const table: readonly (readonly [string, number, Brief])[] = [
      ...Array.from({ length: head + 1 }, (__, offset) => [epoch, offset, replayed(offset)] as const),
      ...[head + 1, head + 2, head + 1_000, 2 ** 31, 2 ** 32, most].map(
        (offset) => [epoch, offset, distrusted("ahead")] as const,
      ),
      ...others.flatMap((other) =>
        [0, 3, head, head + 1, most].map((offset) => [other, offset, distrusted("epoch")] as const),
      ),
    ];
    const connections: Opened[] = [];
    for (const [otherEpoch, offset, expected] of table) {
      const connection = await open(token, otherEpoch, offset);
      connections.push(connection);
      const frames: ServerFrame[] = [];
      while (frames.length < expected.length) frames.push(await connection.next());
      expect([otherEpoch, offset, frames.map(brief)]).toEqual([otherEpoch, offset, expected]);
    }
    // Nothing more came to any of them: the next frame has the next event, and its range begins at the head.
    await world.say(run, "next");
    for (const connection of connections) {
      expect(brief(await connection.next())).toEqual(["events", head, head + 1, 1]);
      connection.close();
    }
  });
});

describe("a cursor that is malformed", () => {
  let ruth: ReturnType<typeof standing>;
  beforeAll(async () => {
    ruth = standing("ruth");
    await ruth;
  });

  it.each<[string]>([
    ['{"epoch":"E","offset":-1}'],
    ['{"epoch":"E","offset":-0.5}'],
    ['{"epoch":"E","offset":1.5}'],
    ['{"epoch":"E","offset":9007199254740992}'],
    ['{"epoch":"E","offset":1e400}'],
    ['{"epoch":"E","offset":-1e400}'],
    ['{"epoch":"E","offset":1e16}'],
    ['{"epoch":"E","offset":"5"}'],
    ['{"epoch":"E","offset":NaN}'],
    ['{"epoch":"E","offset":Infinity}'],
    ['{"epoch":"E","offset":null}'],
    ['{"epoch":"E","offset":true}'],
    ['{"epoch":"E","offset":[3]}'],
    ['{"epoch":"E","offset":{}}'],
    ['{"epoch":"E","offset":0x3}'],
    ['{"epoch":"E","offset":03}'],
    ['{"epoch":"E"}'],
    ['{"offset":3}'],
    ["{}"],
    ["null"],
    ["[]"],
    ["3"],
    ['"E:3"'],
    ['{"epoch":"E","offset":3,"seq":1}'],
    ['{"epoch":"","offset":3}'],
    ['{"epoch":null,"offset":3}'],
    ['{"epoch":7,"offset":3}'],
    ['{"epoch":["E"],"offset":3}'],
    [`{"epoch":"${"x".repeat(65)}","offset":3}`],
    ['{"epoch":"a\\u0000b","offset":3}'],
    ['{"epoch":"a\\nb","offset":3}'],
    ['{"epoch":"\\ud800","offset":3}'],
  ])("in hello closes 4400: %s", async (cursor) => {
    const { run, token } = await ruth;
    const socket = await openSocket(world.box.url, { headers: { authorization: `Bearer ${token}` } });
    socket.send(`{"type":"hello","cursor":${cursor.replace('"E', `"${run.epoch}`)}}`);
    const { code, reason } = await socket.ended;
    expect([code, socket.frames]).toEqual([4400, []]);
    expect(reason).not.toBe("");
  });

  it.each<[string]>([
    ["E:-1"],
    ["E:1.5"],
    ["E:9007199254740992"],
    ["E:1e400"],
    ["E:NaN"],
    ["E:null"],
    ["E:"],
    ["E:3:"],
    ["E: 3"],
    ["E:+3"],
    ["E:0x3"],
    ["E:\u0663"],
    ["E"],
    ["3"],
    [":3"],
    [":"],
    [`${"x".repeat(65)}:3`],
    ["a\u0000b:3"],
    ["a\nb:3"],
  ])("in an SSE request is 400: %j", async (text) => {
    const { run, token } = await ruth;
    const cursor = text.replace("E", run.epoch);
    const byQuery = await world.box.call(`GET /v1/stream?cursor=${encodeURIComponent(cursor)}`, { as: token });
    expect(refused(byQuery)).toMatchObject({ status: 400, code: "invalid" });
    // A header cannot hold what is left out here.
    if (/[\u0000-\u001f\u0100-\uffff]/.test(cursor)) return;
    const byHeader = await world.box.call("GET /v1/stream", { as: token, headers: { "last-event-id": cursor } });
    expect(refused(byHeader)).toMatchObject({ status: 400, code: "invalid" });
  });

  it("leaves nothing behind: no connection, nothing acknowledged, no word of a bug", async () => {
    expect(await world.ledger("ruth")).toMatchObject({ acked: 0, stored: head });
    await expect.poll(() => world.metric("runcast_connections")).toBe(0);
    expect(world.box.server.stderr).not.toContain('"level":"error"');
  });
});

describe("resuming at N", () => {
  it.each(Object.entries(ways))("acknowledges up to N, and a distrusted cursor nothing: %s (I8)", async (way, open) => {
    const user = `ack ${way}`;
    const { run, token } = await standing(user);
    const resume = async (epoch: string, offset: number): Promise<void> => {
      const connection = await open(token, epoch, offset);
      expect((await connection.next()).type).toBe("welcome");
      connection.close();
    };
    const accounts = { accepted: head, deadLettered: 0, difference: 0 };
    for (const [epoch, offset, acked] of [
      ["older", 3, 0],
      [run.epoch, head + 1, 0],
      [run.epoch, 0, 0],
      [run.epoch, 2, 2],
      [run.epoch, 1, 2],
      [run.epoch, most, 2],
      ["older", head, 2],
      [run.epoch, 3, 3],
      [run.epoch, head, head],
      [run.epoch, 0, head],
    ] as const) {
      await resume(epoch, offset);
      expect([epoch, offset, await world.ledger(user)]).toEqual([
        epoch,
        offset,
        { ...accounts, acked, stored: head - acked },
      ]);
    }
  });
});
