import { describe, expect, it } from "vitest";
import type { ReadLimit, StoredEvent } from "../../src/log/event-log.ts";
import { Recent } from "../../src/log/recent.ts";
import { wide } from "../../src/testing/event-log/sample.ts";

const stored = (offset: number, bytes = 10): StoredEvent => ({
  id: `id-${offset}`,
  type: "x.note",
  time: "",
  data: "d".repeat(bytes),
  offset,
});
const range = (from: number, upto: number, bytes?: number) =>
  Array.from({ length: upto + 1 - from }, (_, at) => stored(from + at, bytes));
const recentOf = (...pushes: readonly (readonly StoredEvent[])[]) => {
  const recent = new Recent();
  for (const events of pushes) recent.push(events);
  return {
    after: (after: number, limit: ReadLimit = wide) => recent.after(after, limit)?.map(({ offset }) => offset),
    recent,
  };
};

describe("recent events", () => {
  it("are given from the offset that was asked for, up to the newest", () => {
    const { after } = recentOf(range(5, 7), range(8, 9));
    expect(after(4)).toEqual([5, 6, 7, 8, 9]);
    expect(after(7)).toEqual([8, 9]);
    expect(after(9)).toEqual([]);
  });

  it("are not given when one before them is not here any more: the log has it", () => {
    const { after } = recentOf(range(5, 7));
    expect(after(3)).toBeUndefined();
    expect(recentOf().after(0)).toBeUndefined();
  });

  it("are cut to what was asked for, but for the first", () => {
    const { after } = recentOf(range(1, 5));
    expect(after(1, { maxEvents: 2, maxBytes: 100 })).toEqual([2, 3]);
    expect(after(0, { maxEvents: 9, maxBytes: 30 })).toEqual([1, 2, 3]);
    expect(after(0, { maxEvents: 9, maxBytes: 29 })).toEqual([1, 2]);
    expect(after(3, { maxEvents: 9, maxBytes: 1 })).toEqual([4]);
  });

  it("are the caller's own: a later push does not change an answer", () => {
    const { recent } = recentOf(range(1, 2));
    const before = recent.after(0, wide);
    recent.push(range(3, 3));
    expect(before?.map(({ offset }) => offset)).toEqual([1, 2]);
  });

  it("forget what lies before a hole", () => {
    const { after } = recentOf(range(1, 3), [], range(5, 6));
    expect(after(0)).toBeUndefined();
    expect(after(3)).toBeUndefined();
    expect(after(4)).toEqual([5, 6]);
  });

  it("are no more than twice 128, and then the newest 128", () => {
    expect(recentOf(range(1, 256)).after(0)).toHaveLength(256);
    const { after } = recentOf(range(1, 256), range(257, 257));
    expect(after(128)).toBeUndefined();
    expect(after(129)).toEqual(range(130, 257).map(({ offset }) => offset));
  });

  it("are no more than twice 32 KiB, and then the newest that fit into one", () => {
    const kibibyte = 1_024;
    expect(recentOf(range(1, 64, kibibyte)).after(0)).toHaveLength(64);
    const { after } = recentOf(range(1, 64, kibibyte), range(65, 65, 1));
    expect(after(32)).toBeUndefined();
    expect(after(33)).toHaveLength(32);
  });

  it("count the bytes that left with their events", () => {
    const kibibyte = 1_024;
    const pushes = Array.from({ length: 300 }, (_, at) => range(at + 1, at + 1, kibibyte));
    const { after } = recentOf(...pushes);
    // Trimmed to 32 each time the 65th came, 33 later than before.
    expect(after(300 - 36)).toHaveLength(36);
    expect(after(300 - 37)).toBeUndefined();
    const mixed = recentOf(range(1, 200, 200), range(201, 330, 10), range(331, 400, 10));
    expect(mixed.after(202)).toHaveLength(198);
  });

  it("keep the newest event whatever its size", () => {
    const { after } = recentOf(range(1, 3), [stored(4, 100_000)]);
    expect(after(3)).toEqual([4]);
    expect(after(2)).toBeUndefined();
  });

  it("are none after clear", () => {
    const { after, recent } = recentOf(range(1, 3, 20_000));
    recent.clear();
    expect(after(3)).toBeUndefined();
    recent.push(range(4, 5, 20_000));
    expect(after(3)).toEqual([4, 5]);
  });
});
