import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServerFrame } from "../../protocol/frames.ts";
import type { Epoch } from "../../protocol/ids.ts";
import { connect } from "../../src/client/client.ts";
import { memoryLog } from "../../src/log/memory.ts";
import type { House } from "./support/house.ts";
import { keys, openHouse, token } from "./support/house.ts";
import { openSocket } from "./support/socket.ts";

const later = "2100-01-01T00:00:00.000Z";

let house: House;
let epoch: string;
/** The stream of `ann` stands at 6 and begins at 4: a run of three events has gone, one of three lives. */
beforeAll(async () => {
  const log = memoryLog();
  house = await openHouse({ runtime: { log } });
  const say = (run: { runId: string; fence: number }, ...types: string[]) =>
    house.call("POST", `/v1/runs/${run.runId}/events`, {
      as: keys.both,
      body: { fence: run.fence, events: types.map((type) => ({ type, data: {} })) },
    });
  await say(await house.startRun({ userId: "ann", runId: "gone" }), "agent_thinking", "agent_completed");
  await log.retire({ before: later, now: later, maxEvents: 1_000 });
  const living = await house.startRun({ userId: "ann", runId: "living" });
  await say(living, "agent_thinking", "agent_thinking");
  epoch = living.epoch;
});
afterAll(() => house.close());

/** The gap, and what comes behind it: the rest, or a snapshot. */
interface Gapped {
  readonly gap: { readonly from: number; readonly upto: number; readonly reason: string };
  readonly behind: readonly number[] | "snapshot";
}
/** Numbers: replayed after the cursor, without a gap. */
type Expected = readonly number[] | Gapped | "refused";

const gap = (from: number, upto: number, reason: string, behind: Gapped["behind"]): Gapped => ({
  gap: { from, upto, reason },
  behind,
});

/** Every offset, as JSON would have it, in the stream's own epoch. */
const offsets: readonly (readonly [offset: string, expected: Expected])[] = [
  ["-1", "refused"],
  ["0", gap(1, 3, "retention", [4, 5, 6])],
  ["1", gap(2, 3, "retention", [4, 5, 6])],
  ["2", gap(3, 3, "retention", [4, 5, 6])],
  ["3", [4, 5, 6]],
  ["4", [5, 6]],
  ["6", []],
  ["7", gap(1, 6, "ahead", "snapshot")],
  ["9007199254740991", gap(1, 6, "ahead", "snapshot")],
  ["9007199254740992", "refused"],
  ["1e400", "refused"],
  ["1.5", "refused"],
  [`"4"`, "refused"],
  ["null", "refused"],
  ["NaN", "refused"],
];
const otherEpochs = ["another-epoch", "x"];

type Frame = ServerFrame;

/** Reads until the frames have covered all up to the head, from where the cursor was good. */
async function readToHead(next: () => Promise<Frame>, offset: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  for (let at = -1; at < 6; ) {
    const frame = await next();
    frames.push(frame);
    if (frame.type === "welcome") at = frame.resumed === "replayed" ? offset : -1;
    else if (frame.type === "snapshot") at = frame.at;
    else if (frame.type === "gap" && frame.reason !== "retention") at = -1;
    else if (frame.type === "gap" || frame.type === "events") at = frame.upto;
  }
  return frames;
}

function check(frames: readonly Frame[], expected: Expected): void {
  const [welcome, ...rest] = frames;
  const isReplay = Array.isArray(expected);
  expect(welcome).toMatchObject({ type: "welcome", head: 6, epoch, resumed: isReplay ? "replayed" : "gap" });
  const found = rest.flatMap((frame) => (frame.type === "events" ? frame.events.map(({ offset }) => offset) : []));
  const gaps = rest.filter(({ type }) => type === "gap");
  if (isReplay || expected === "refused") {
    expect([gaps, found]).toEqual([[], expected]);
    return;
  }
  const { gap: declared, behind } = expected as Gapped;
  expect(gaps).toEqual([{ type: "gap", ...declared }]);
  expect(rest[0]).toEqual(gaps[0]);
  if (behind === "snapshot") expect(rest[1]).toMatchObject({ type: "snapshot", at: 6, runs: [{ runId: "living" }] });
  else expect(found).toEqual(behind);
}

const all = [
  ...offsets.map(([offset, expected]) => ["own", offset, expected] as const),
  ...otherEpochs.flatMap((other) =>
    ["0", "3", "4", "6", "7"].map((offset) => [other, offset, gap(1, 6, "epoch", "snapshot")] as const),
  ),
];
const epochOf = (name: string): string => (name === "own" ? epoch : name);

describe("every epoch × offset has one answer (I7)", () => {
  it.each(all)("over WebSocket: epoch %s, offset %s", async (name, offset, expected) => {
    const socket = await openSocket(house.url, { headers: { authorization: `Bearer ${await token("ann")}` } });
    socket.send(`{"type":"hello","cursor":{"epoch":${JSON.stringify(epochOf(name))},"offset":${offset}}}`);
    if (expected === "refused") {
      expect((await socket.ended).code).toBe(4400);
      expect(socket.frames).toEqual([]);
      return;
    }
    check(await readToHead(() => socket.next(), Number(offset)), expected);
    await socket.close();
  });

  for (const way of ["Last-Event-ID", "?cursor="] as const) {
    it.each(all)(`over SSE, ${way}: epoch %s, offset %s`, async (name, offset, expected) => {
      const cursor = `${epochOf(name)}:${offset}`;
      const abort = new AbortController();
      const response = await fetch(
        `${house.url}/v1/stream${way === "?cursor=" ? `?cursor=${encodeURIComponent(cursor)}` : ""}`,
        {
          headers: {
            authorization: `Bearer ${await token("ann")}`,
            ...(way === "Last-Event-ID" && { "last-event-id": cursor }),
          },
          signal: abort.signal,
        },
      );
      if (expected === "refused") {
        expect(response.status).toBe(400);
        expect(await response.json()).toMatchObject({ error: { code: "invalid" } });
        return;
      }
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let buffered = "";
      const next = async (): Promise<Frame> => {
        for (;;) {
          const data = /^data: (.*)$/m.exec(buffered.slice(0, Math.max(buffered.indexOf("\n\n"), 0)));
          if (data?.[1] !== undefined) {
            buffered = buffered.slice(buffered.indexOf("\n\n") + 2);
            return JSON.parse(data[1]);
          }
          const chunk = await reader?.read();
          if (chunk === undefined || chunk.done) throw new Error("the stream ended");
          buffered += chunk.value;
        }
      };
      check(await readToHead(next, Number(offset)), expected);
      abort.abort();
    });
  }

  it.each(["no-colon", ":4", "epoch:", "", "%00:4"])(
    "over SSE a cursor that is none is refused: %j",
    async (cursor) => {
      const answer = await house.call("GET", `/v1/stream?cursor=${cursor}`, { as: await token("ann") });
      expect(answer.status).toBe(400);
    },
  );

  it.each(offsets)("over HTTP: offset %s", async (offset, expected) => {
    const answer = await house.call("GET", `/v1/events?after=${encodeURIComponent(offset)}`, {
      as: await token("ann"),
    });
    if (expected === "refused") {
      expect([answer.status, answer.body.error]).toMatchObject([400, { code: "invalid", details: { path: "after" } }]);
      return;
    }
    expect(answer.status).toBe(200);
    const { events, next, gap: declared } = answer.body;
    const found = events.map((event: { offset: number }) => event.offset);
    if (Array.isArray(expected)) expect([found, declared]).toEqual([expected, undefined]);
    else {
      const { gap: wanted, behind } = expected as Gapped;
      expect([found, declared]).toEqual([behind === "snapshot" ? [] : behind, wanted]);
    }
    expect(next).toBeNull();
  });
});

describe("a run that retention took", () => {
  it("is like one that never was", async () => {
    for (const path of ["/v1/runs/gone", "/v1/runs/gone/events"]) {
      const answer = await house.call("GET", path, { as: await token("ann") });
      const missing = await house.call("GET", path.replace("gone", "never"), { as: await token("ann") });
      expect([answer.status, answer.body]).toEqual([404, missing.body]);
    }
    const late = { fence: 1, events: [{ type: "agent_thinking", data: {} }] };
    expect((await house.call("POST", "/v1/runs/gone/events", { as: keys.both, body: late })).status).toBe(404);
    const runs = await house.call("GET", "/v1/runs", { as: await token("ann") });
    expect(runs.body.runs).toMatchObject([{ runId: "living" }]);
  });
});

describe("the client where retention has been", () => {
  it("hands its application the gap at its place, once, and then the rest", async () => {
    const client = connect({
      url: house.url,
      token: () => token("ann"),
      cursor: { epoch: epoch as Epoch, offset: 1 },
    });
    const seen: unknown[] = [];
    for await (const item of client.events({ gaps: true })) {
      seen.push(item.type === "gap" ? item : item.offset);
      if (seen.length === 4) break;
    }
    expect(seen).toEqual([{ type: "gap", from: 2, upto: 3, reason: "retention" }, 4, 5, 6]);
    client.close();
  });
});
