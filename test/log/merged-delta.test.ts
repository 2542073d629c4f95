import { describe, expect, it } from "vitest";
import { joinDeltas, type Kept, maxCuts, restOf } from "../../src/log/merged-delta.ts";
import { run1, time } from "../../src/testing/event-log/sample.ts";

const delta = (offset: number, text: string, more: object = {}): Kept => ({
  event: {
    ...{ id: `id-${offset}`, type: "agent_delta", time, offset, runId: run1, seq: offset },
    data: JSON.stringify({ messageId: "m1", channel: "text", text }),
    ...more,
  },
});
const many = (count: number, text: string, from = 1) =>
  Array.from({ length: count }, (_, at) => delta(from + at, text));
const textOf = ({ event }: Kept): string => (JSON.parse(event.data) as { text: string }).text;
const shapeOf = (kept: readonly Kept[]) => kept.map(({ event, cuts }) => [event.offset, cuts?.length ?? 1]);

describe("merged deltas", () => {
  it("bear the last one's place, all of the text and where it was joined", () => {
    const [joined] = joinDeltas([delta(1, "a"), delta(2, "bc"), delta(3, "d")]);
    expect(joined?.event).toMatchObject({ id: "id-3", offset: 3, seq: 3 });
    expect(joined && textOf(joined)).toBe("abcd");
    expect(joined?.cuts).toEqual([1, 2, 1]);
  });

  it("leave a single delta as it was said", () => {
    const alone = delta(1, "a", { data: '{"messageId":"m1", "channel":"text", "text":"a"}' });
    expect(joinDeltas([alone])).toEqual([alone]);
    expect(joinDeltas([alone, delta(3, "c")])).toEqual([alone, delta(3, "c")]);
  });

  it("join what was joined before, and go on from there", () => {
    const [first = delta(0, "")] = joinDeltas([delta(1, "a"), delta(2, "b")]);
    const [second = delta(0, "")] = joinDeltas([delta(3, "c"), delta(4, "d")]);
    const [all] = joinDeltas([first, second, delta(5, "e")]);
    expect(all && textOf(all)).toBe("abcde");
    expect(all?.cuts).toEqual([1, 1, 1, 1, 1]);
  });

  it("cover 512 offsets at most", () => {
    expect(shapeOf(joinDeltas(many(maxCuts, "x")))).toEqual([[maxCuts, maxCuts]]);
    expect(shapeOf(joinDeltas(many(maxCuts + 2, "x")))).toEqual([
      [maxCuts, maxCuts],
      [maxCuts + 2, 2],
    ]);
    const [half = delta(0, "")] = joinDeltas(many(300, "x"));
    const [other = delta(0, "")] = joinDeltas(many(300, "x", 301));
    expect(shapeOf(joinDeltas([half, other]))).toEqual([
      [300, 300],
      [600, 300],
    ]);
  });

  it("hold 16 Ki characters at most", () => {
    const kibi = "x".repeat(1_024);
    expect(shapeOf(joinDeltas(many(16, kibi)))).toEqual([[16, 16]]);
    expect(shapeOf(joinDeltas([...many(16, kibi), delta(17, "x")]))).toEqual([
      [16, 16],
      [17, 1],
    ]);
    expect(shapeOf(joinDeltas([delta(1, "x".repeat(10_000)), delta(2, "x".repeat(10_000))]))).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it("never join across a hole, a thread, a repaired event or another event", () => {
    for (const between of [
      [delta(1, "a"), delta(3, "b")],
      [delta(1, "a"), delta(2, "b", { threadId: "t" })],
      [delta(1, "a"), delta(2, "b", { repaired: true })],
      [delta(1, "a"), delta(2, "b", { type: "x.other" })],
    ])
      expect(joinDeltas(between)).toEqual(between);
  });

  it("give a reader the rest behind what it has", () => {
    const [joined] = joinDeltas([delta(1, "a"), delta(2, "bc"), delta(3, "d")]);
    if (joined === undefined) throw new Error("nothing was joined");
    const rest = (seen: number) => textOf({ event: restOf(joined.event, joined.cuts, seen) });
    expect([-1, 0, 1, 2, 3].map(rest)).toEqual(["abcd", "abcd", "bcd", "d", ""]);
    const alone = delta(7, "x").event;
    expect(restOf(alone, undefined, 1)).toBe(alone);
    expect(restOf(joined.event, joined.cuts, 0)).toBe(joined.event);
  });
});
