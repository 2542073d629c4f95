import { describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import type { StoredEvent } from "../../src/log/event-log.ts";
import { encodeFrame, eventObject, eventsFrame, eventText, inFrames } from "../../src/runtime/frames.ts";

const kibi = 1_024;
const sized = (count: number, chars: number): StoredEvent[] =>
  Array.from({ length: count }, (_, at) => ({
    id: `${at}`,
    type: "x.a",
    time: "t",
    data: "d".repeat(chars),
    offset: at + 1,
  }));
const lengths = (events: readonly StoredEvent[]) => inFrames(events).map(({ length }) => length);

describe("the frames of many events", () => {
  it("hold 128 events at most", () => {
    expect(lengths(sized(128, 1))).toEqual([128]);
    expect(lengths(sized(129, 1))).toEqual([128, 1]);
    expect(lengths(sized(300, 1))).toEqual([128, 128, 44]);
    expect(inFrames([])).toEqual([]);
  });

  it("hold 32 KiB of data at most, or one event", () => {
    expect(lengths(sized(32, kibi))).toEqual([32]);
    expect(lengths(sized(33, kibi))).toEqual([32, 1]);
    expect(lengths(sized(3, 40 * kibi))).toEqual([1, 1, 1]);
    expect(lengths([...sized(1, 40 * kibi), ...sized(2, 1)])).toEqual([1, 2]);
    expect(lengths(sized(70, kibi))).toEqual([32, 32, 6]);
  });

  it("bear every event once, in order", () => {
    const events = sized(300, 200);
    expect(inFrames(events).flat()).toEqual(events);
  });
});

describe("a frame", () => {
  const textOf = ({ bytes }: { readonly bytes: Uint8Array }) => JSON.parse(new TextDecoder().decode(bytes)) as unknown;

  it("of events says which range it covers, in its name, in its text and beside it", () => {
    const frame = eventsFrame(3, 7, ['{"a":1}', '{"b":"ü"}']);
    expect(textOf(frame)).toEqual({ type: "events", after: 3, upto: 7, events: [{ a: 1 }, { b: "ü" }] });
    expect([frame.name, frame.upto]).toEqual(["events", 7]);
  });

  it("of another type moves the stream only where it stands for a part of it", () => {
    const gap = encodeFrame({ type: "gap", from: 1, upto: 5, reason: "retention" });
    const snapshot = encodeFrame({ type: "snapshot", at: 9, runs: [] });
    const pong = encodeFrame({ type: "pong" });
    expect([gap, snapshot, pong].map(({ name, upto }) => [name, upto])).toEqual([
      ["gap", 5],
      ["snapshot", 9],
      ["pong", undefined],
    ]);
    expect(textOf(gap)).toEqual({ type: "gap", from: 1, upto: 5, reason: "retention" });
  });
});

describe("an event's text", () => {
  it("has every field that the event has, and no other", () => {
    const bare: StoredEvent = { id: "e1", type: "x.a", time: "t", data: '{"n":1}', offset: 4 };
    expect(JSON.parse(eventText(bare))).toEqual({ id: "e1", type: "x.a", offset: 4, time: "t", data: { n: 1 } });
    const full: StoredEvent = {
      ...bare,
      runId: asRunId("r"),
      seq: 2,
      threadId: 't"1',
      repaired: true,
      traceparent: "00-a",
    };
    const { data: _, ...rest } = full;
    expect(eventObject(full)).toEqual({ ...rest, data: { n: 1 } });
  });
});
