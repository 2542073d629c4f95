import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NewEvent } from "../../src/log/event-log.ts";
import { SqliteCompaction } from "../../src/log/sqlite-compaction.ts";
import { SqliteEvents } from "../../src/log/sqlite-events.ts";
import { prepareWrites } from "../../src/log/sqlite-statements.ts";
import { alice, event, newRun, next, run1, run2, started, wide } from "../../src/testing/event-log/sample.ts";
import { type WrittenTables, writtenTables } from "../support/written-tables.ts";

const later = "2026-11-25T00:00:00.000Z";

let tables: WrittenTables;
let compaction: SqliteCompaction;
beforeEach(() => {
  tables = writtenTables();
  compaction = new SqliteCompaction(tables.database, prepareWrites(tables.database).insertChunk);
});
afterEach(() => tables.database.close());

const some = (count: number): NewEvent[] => Array.from({ length: count }, (_, at) => event(`${at}`));
const delta = (text: string) =>
  event(text, { type: "agent_delta", data: JSON.stringify({ messageId: "m", channel: "text", text }) });
/** A run that has ended, a row per append. */
function tell(appends: readonly (readonly NewEvent[])[], runId = run1): void {
  const [first = [], ...others] = appends;
  tables.put(started(newRun(runId), first));
  let seq = first.length;
  for (const [at, events] of others.entries()) {
    tables.put(next(seq, events, { runId, ...(at === others.length - 1 && { ended: "completed" as const }) }));
    seq += events.length;
  }
}
const compact = (maxEvents: number) => compaction.slice({ endedBefore: later, maxEvents });
const places = () => tables.select("SELECT row, first_offset, last_offset, first_seq FROM events ORDER BY last_offset");
const lost = () => new SqliteEvents(tables.database).range({ id: 1, key: alice, from: 1, upto: 500 }, wide).corrupt[0];

describe("a slice of the SQLite log's compaction", () => {
  it("ends when as many rows were looked at as were asked for, and one for each run", () => {
    for (const runId of [run1, run2]) tell([some(1), [delta("a")], [delta("b")], some(1)], runId);
    expect(compact(5)).toEqual({ merged: 1, more: true });
    expect(compact(6)).toEqual({ merged: 1, more: false });
    expect(compact(1)).toEqual({ merged: 0, more: false });
  });

  it("goes on in a long run where the slice before it ended", () => {
    tell(Array.from({ length: 200 }, () => some(1)));
    expect(compact(1)).toEqual({ merged: 0, more: true });
    expect(tables.select("SELECT compacted, compact_at IS NULL FROM runs")).toEqual([[128, 0]]);
    expect(compact(1).more).toBe(true);
    expect(tables.select("SELECT compacted, compact_at IS NULL FROM runs")).toEqual([[200, 1]]);
    expect(lost()).toBe(201);
  });

  it("writes several chunks where one does not hold the run, each at its place, under the last rows' numbers", () => {
    tell(Array.from({ length: 70 }, () => some(1)));
    expect(compact(1_000)).toEqual({ merged: 0, more: false });
    expect(places()).toEqual([
      [68, 1, 32, 1],
      [69, 33, 64, 33],
      [70, 65, 70, 65],
    ]);
    expect(lost()).toBe(71);
  });

  it("leaves rows alone where it saves neither a row nor a delta", () => {
    tell([some(1), some(32)]);
    const before = places();
    expect(compact(1_000)).toEqual({ merged: 0, more: false });
    expect(places()).toEqual(before);
    expect(before).toHaveLength(2);
  });

  it("joins what stands beside a row of more than 32 KiB, not that row", () => {
    const heavy = (characters: number) => event("heavy", { data: "ä".repeat(characters) });
    const most = 16 * 1_024;
    tell([some(1), some(1), [heavy(most + 1)], some(1), [heavy(most)], some(1)]);
    compact(1_000);
    expect(places()).toEqual([
      [2, 1, 2, 1],
      [3, 3, 3, 3],
      [6, 4, 6, 4],
    ]);
    expect(lost()).toBe(7);
  });
});
