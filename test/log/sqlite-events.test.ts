import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NewEvent, ReadLimit } from "../../src/log/event-log.ts";
import type { Cell } from "../../src/log/sqlite-cells.ts";
import { checksum } from "../../src/log/sqlite-checksum.ts";
import { isCorruption, SqliteEvents } from "../../src/log/sqlite-events.ts";
import { alice, event, newRun, next, notice, run1, started, wide } from "../../src/testing/event-log/sample.ts";
import { type WrittenTables, writtenTables } from "../support/written-tables.ts";

/** So many cells are one chunk; the first is its first offset. */
const cellsPerChunk = 5;
/** So many broken rows one read looks at before it gives up what they stood for. */
const maxBrokenRows = 4_096;

let tables: WrittenTables;
let events: SqliteEvents;
beforeEach(() => {
  tables = writtenTables();
  events = new SqliteEvents(tables.database);
});
afterEach(() => {
  if (tables.database.isOpen) tables.database.close();
});

/** Ten bytes of data each. */
const tens = (count: number): NewEvent[] =>
  Array.from({ length: count }, (_, at) => event(`${at}`, { data: "d".repeat(10) }));
const rows = (...counts: readonly number[]) =>
  tables.put(...counts.map((count) => ({ stream: alice, events: tens(count) })));
/** Of run 1: its rows, one append each. */
function runRows(first: number, ...counts: readonly number[]): void {
  tables.put(started(newRun(), tens(first)));
  let seq = first;
  for (const count of counts) {
    tables.put(next(seq, tens(count)));
    seq += count;
  }
}

const firsts = (cells: readonly Cell[]) => cells.filter((_, at) => at % cellsPerChunk === 0);
const stream = { id: 1, key: alice };
function range(from: number, upto: number, limit: Partial<ReadLimit> = {}) {
  const { cells, corrupt, dead } = events.range({ ...stream, from, upto }, { ...wide, ...limit });
  return { chunks: firsts(cells), corrupt, dead };
}
const ofRun = (fromSeq: number, limit: Partial<ReadLimit> = {}, upto = 100) =>
  firsts(events.ofRun(1, { ...stream, from: 1, upto }, fromSeq, { ...wide, ...limit }));
const spoil = (where: string) => tables.database.exec(`UPDATE events SET crc = crc + 1 WHERE ${where}`);
/** A sound row, wherever that is. */
function insertSound(firstOffset: number, lastOffset: number, run: number | null = null, firstSeq?: number): void {
  const { meta, data } = { meta: "[]", data: "" };
  const place = { stream: alice, firstOffset, lastOffset, runId: run === null ? undefined : run1, firstSeq };
  tables.database
    .prepare("INSERT INTO events VALUES (NULL, 1, ?, ?, ?, ?, ?, ?, ?)")
    .run(firstOffset, lastOffset, run, firstSeq ?? null, meta, data, checksum(place, meta, data));
}
const upFrom = (from: number, upto: number) => Array.from({ length: upto + 1 - from }, (_, at) => from + at);

describe("a range of the SQLite log's chunks", () => {
  it("has as many events as were asked for, and the chunk in which the bytes run out", () => {
    rows(1, 1, 1, 1, 1);
    expect(range(1, 5, { maxEvents: 2 })).toEqual({ chunks: [1, 2], corrupt: [], dead: [] });
    expect(range(1, 5, { maxEvents: 0 }).chunks).toEqual([]);
    expect(range(1, 5, { maxBytes: 10 }).chunks).toEqual([1, 2]);
    expect(range(1, 5, { maxBytes: 9 }).chunks).toEqual([1]);
    expect(range(2, 4).chunks).toEqual([2, 3, 4]);
  });

  it("counts of a chunk that began before it the events that are left, and no byte", () => {
    rows(3, 1, 1, 1);
    expect(range(2, 6, { maxBytes: 15 }).chunks).toEqual([1, 4, 5]);
    expect(range(2, 6, { maxEvents: 2 }).chunks).toEqual([1]);
    expect(range(2, 6, { maxEvents: 3 }).chunks).toEqual([1, 4]);
    expect(range(1, 6, { maxEvents: 4 }).chunks).toEqual([1, 4]);
  });

  it("counts an offset that is lost, and gives no chunk behind those for which there was no room", () => {
    rows(1, 1, 1, 1, 1);
    tables.database.exec("DELETE FROM events WHERE last_offset IN (2, 3, 4)");
    expect(range(1, 5, { maxEvents: 3 })).toEqual({ chunks: [1], corrupt: [2, 3], dead: [2, 3] });
    expect(range(1, 5)).toEqual({ chunks: [1, 5], corrupt: [2, 3, 4], dead: [2, 3, 4] });
  });

  it("gives an event once when two rows end in its place", () => {
    rows(3, 1);
    insertSound(3, 3);
    expect(range(1, 4)).toEqual({ chunks: [1, 4], corrupt: [], dead: [] });
    expect(range(3, 4)).toEqual({ chunks: [1, 4], corrupt: [], dead: [] });
  });

  it("takes nothing for lost that a sound row behind a broken one has", () => {
    rows(3, 1);
    insertSound(2, 2);
    spoil("last_offset = 2");
    expect(range(1, 4)).toEqual({ chunks: [1, 4], corrupt: [], dead: [] });
  });

  it("looks at 4,096 broken rows for a sound one, and at no more", () => {
    tables.database.exec(`BEGIN; INSERT INTO streams (key) VALUES ('${alice}')`);
    for (const offset of upFrom(1, maxBrokenRows)) insertSound(offset, offset);
    tables.database.exec("COMMIT");
    spoil("1");
    insertSound(1, maxBrokenRows + 1);
    const [all, some] = [range(1, maxBrokenRows + 1), range(1, maxBrokenRows + 1, { maxEvents: 10 })];
    expect(some).toEqual({ chunks: [], corrupt: upFrom(1, 10), dead: upFrom(1, 10) });
    expect(all).toEqual({ chunks: [1], corrupt: upFrom(1, maxBrokenRows), dead: upFrom(1, maxBrokenRows) });
    expect(range(2, maxBrokenRows + 1)).toMatchObject({ chunks: [1], corrupt: [] });
  });

  it("sets a broken row aside as a whole, also when only its end was asked for", () => {
    rows(3);
    spoil("1");
    expect(range(2, 3)).toEqual({ chunks: [], corrupt: [2, 3], dead: [1, 2, 3] });
  });

  it.each([
    { name: "as long as one can be", first: 2, last: 1_025, from: 500, dead: upFrom(2, 1_025) },
    { name: "longer than one can be", first: 1, last: 1_025, from: 500, dead: upFrom(500, 1_025) },
    { name: "far longer", first: 1, last: 2_000, from: 1_500, dead: upFrom(1_500, 2_000) },
    { name: "that begins before the stream", first: -900, last: 10, from: 9, dead: upFrom(1, 10) },
    { name: "that ends before it begins", first: 20, last: 10, from: 9, dead: [9, 10] },
    { name: "behind many others", first: 900, last: 1_000, from: 950, dead: upFrom(900, 1_000) },
  ])(
    "believes the index where a broken row began, unless no chunk is so long: $name",
    ({ first, last, from, dead }) => {
      rows(1);
      insertSound(first, last);
      spoil(`last_offset = ${last}`);
      expect(range(from, last)).toEqual({ chunks: [], corrupt: upFrom(from, last), dead });
    },
  );

  it("reads on behind a row that cannot be looked at", () => {
    rows(1, 1, 1);
    tables.database.exec("UPDATE events SET first_seq = 9007199254740993 WHERE last_offset = 2");
    expect(range(1, 3)).toEqual({ chunks: [1, 3], corrupt: [2], dead: [2] });
    expect(range(1, 3, { maxEvents: 2 })).toEqual({ chunks: [1], corrupt: [2], dead: [2] });
  });

  it("fails when the file cannot be read, and takes nothing for lost", () => {
    rows(1);
    tables.database.close();
    expect(() => range(1, 1)).toThrow();
    expect(() => ofRun(0)).toThrow();
    expect(() => events.endingAt(stream, 1)).toThrow();
  });
});

describe("a run's chunks in the SQLite log", () => {
  it("are those with a seq from the one that was asked for on", () => {
    runRows(1, 3, 1);
    expect(ofRun(0)).toEqual([1, 2, 5]);
    expect(ofRun(2)).toEqual([2, 5]);
    expect(ofRun(4)).toEqual([2, 5]);
    expect(ofRun(5)).toEqual([5]);
    expect(ofRun(6)).toEqual([]);
  });

  it("end with the chunk in which the events or the bytes run out", () => {
    runRows(1, 3, 1, 1, 1, 1);
    expect(ofRun(1, { maxEvents: 0 })).toEqual([]);
    expect(ofRun(1, { maxEvents: 2 })).toEqual([1, 2]);
    expect(ofRun(4, { maxEvents: 2 })).toEqual([2, 5]);
    expect(ofRun(4, { maxBytes: 15 })).toEqual([2, 5, 6]);
    expect(ofRun(5, { maxBytes: 15 })).toEqual([5, 6]);
  });

  it("come once each, without the broken ones and the other runs'", () => {
    runRows(1, 3, 1);
    tables.put(notice(alice, "between"), next(5, tens(1)));
    insertSound(4, 4, 1, 4);
    expect(ofRun(0)).toEqual([1, 2, 5, 7]);
    spoil("first_offset = 2");
    expect(ofRun(0)).toEqual([1, 4, 5, 7]);
    spoil("first_offset = 4");
    expect(ofRun(0)).toEqual([1, 5, 7]);
  });

  it("come also from behind a row that cannot be looked at", () => {
    runRows(1, 1, 1);
    tables.database.exec("UPDATE events SET first_seq = 9007199254740993 WHERE last_offset = 2");
    expect(ofRun(0, {}, 3)).toEqual([1, 3]);
    expect(events.endingAt(stream, 2)).toBeUndefined();
    expect(events.endingAt(stream, 3)).toMatchObject({ firstOffset: 3, runId: run1, firstSeq: 3 });
    expect(events.endingAt(stream, 9)).toBeUndefined();
  });
});

describe("an error of SQLite", () => {
  it("is corruption when a page contradicts itself or holds what is no number here, and nothing else is", () => {
    const error = (fields: object) => Object.assign(new Error("no"), fields);
    expect(isCorruption(error({ errcode: 11 }))).toBe(true);
    expect(isCorruption(error({ code: "ERR_OUT_OF_RANGE" }))).toBe(true);
    expect(isCorruption(error({ errcode: 10 }))).toBe(false);
    expect(isCorruption(error({ code: "ERR_SQLITE_ERROR", errcode: 5 }))).toBe(false);
    expect(isCorruption(error({}))).toBe(false);
    expect(isCorruption("corrupt")).toBe(false);
  });
});
