import { describe, expect, it } from "vitest";
import type { ReadLimit } from "../../src/log/event-log.ts";
import { type Cell, putPlaced } from "../../src/log/sqlite-cells.ts";
import { packChunk } from "../../src/log/chunk.ts";
import { takeRunEvents, takeSlice } from "../../src/log/sqlite-slice.ts";
import { event, run1, wide } from "../../src/testing/event-log/sample.ts";

/** Chunks of events with data of these sizes, each chunk from an offset on. */
function cellsOf(...chunks: readonly (readonly [firstOffset: number, ...sizes: readonly number[]])[]): Cell[] {
  const cells: Cell[] = [];
  for (const [firstOffset, ...sizes] of chunks) {
    const events = sizes.map((size, at) => event(`${firstOffset + at}`, { data: "d".repeat(size) }));
    const { meta, data } = packChunk(events, 0);
    putPlaced(cells, { firstOffset, runId: run1, firstSeq: firstOffset, meta, data });
  }
  return cells;
}
const slice = (cells: readonly Cell[], lost: readonly number[], limit: Partial<ReadLimit> = {}, from = 1) => {
  const { events, corrupt, upto } = takeSlice(cells, lost, from, { ...wide, ...limit });
  return { events: events.map(({ offset }) => offset), corrupt, upto };
};

describe("a slice of the SQLite log", () => {
  it("has the lost offsets where they stood", () => {
    expect(slice(cellsOf([1, 5], [4, 5]), [2, 3])).toEqual({ events: [1, 4], corrupt: [2, 3], upto: 4 });
    expect(slice(cellsOf([1, 5]), [2, 3])).toEqual({ events: [1], corrupt: [2, 3], upto: 3 });
    expect(slice([], [])).toEqual({ events: [], corrupt: [], upto: 0 });
    expect(slice([], [], {}, 7)).toEqual({ events: [], corrupt: [], upto: 6 });
  });

  it("counts a lost offset as one that was asked for", () => {
    expect(slice([], [1, 2, 3, 4], { maxEvents: 2 })).toEqual({ events: [], corrupt: [1, 2], upto: 2 });
    expect(slice(cellsOf([1, 5], [4, 5]), [2, 3], { maxEvents: 2 })).toEqual({ events: [1], corrupt: [2], upto: 2 });
    expect(slice(cellsOf([1, 5], [4, 5]), [2, 3], { maxEvents: 3 })).toEqual({ events: [1], corrupt: [2, 3], upto: 3 });
  });

  it("names no lost offset behind the event where it was cut", () => {
    expect(slice(cellsOf([1, 5, 5, 5]), [9], { maxEvents: 2 })).toEqual({ events: [1, 2], corrupt: [], upto: 2 });
  });

  it("ends at the first event that is too much, whatever comes behind it", () => {
    const cells = cellsOf([1, 10, 100, 5], [4, 5]);
    expect(slice(cells, [], { maxBytes: 20 })).toEqual({ events: [1], corrupt: [], upto: 1 });
    expect(slice(cells, [], { maxBytes: 110 })).toEqual({ events: [1, 2], corrupt: [], upto: 2 });
    expect(slice(cells, [], { maxBytes: 5 })).toEqual({ events: [1], corrupt: [], upto: 1 });
    expect(slice(cells, [], {}, 3)).toEqual({ events: [3, 4], corrupt: [], upto: 4 });
  });

  it("of a run is cut in the same way, by seq", () => {
    const cells = cellsOf([1, 10, 100, 5], [4, 5]);
    const seqs = (afterSeq: number, limit: Partial<ReadLimit>) =>
      takeRunEvents(cells, afterSeq, { ...wide, ...limit }).map(({ seq }) => seq);
    expect(seqs(0, {})).toEqual([1, 2, 3, 4]);
    expect(seqs(2, {})).toEqual([3, 4]);
    expect(seqs(0, { maxEvents: 2 })).toEqual([1, 2]);
    expect(seqs(0, { maxBytes: 20 })).toEqual([1]);
    expect(seqs(1, { maxBytes: 20 })).toEqual([2]);
  });
});
