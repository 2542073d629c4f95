import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Retired } from "../../src/log/housekeeping.ts";
import { lastRow } from "../../src/log/sqlite-high-water.ts";
import { SqliteRetirement } from "../../src/log/sqlite-retirement.ts";
import { alice, bob, event, keyed, newRun, notice, run1, started } from "../../src/testing/event-log/sample.ts";
import { type WrittenTables, writtenTables } from "../support/written-tables.ts";

const before = "2026-11-24T00:00:00.000Z";
const young = "2026-11-24T10:00:00.000Z";
const now = "2026-11-25T10:00:00.000Z";
/** What looking at a stream costs, in deleted rows. */
const streamCost = 10;
/** More than a node number holds exactly: SQLite's reader refuses it, as it does what a flipped bit made. */
const noNumber = "9007199254740993";

let tables: WrittenTables;
let retirement: SqliteRetirement;
beforeEach(() => {
  tables = writtenTables();
  retirement = new SqliteRetirement(tables.database);
});
afterEach(() => tables.database.close());

const forget = { stream: () => {}, run: () => {} };
const slice = (maxEvents: number, after?: string): Retired =>
  retirement.slice({ before, now, maxEvents, after }, forget);
const names = (count: number) => Array.from({ length: count }, (_, at) => `${at}`);
const streamsOf = ({ streams }: Retired) => streams.map(({ stream }) => stream);
const run = (sql: string) => tables.database.exec(sql);
const one = (sql: string) => tables.select(sql)[0]?.[0];
const oldLetter = () =>
  run(`INSERT INTO letters (kind, stream, tenant, reason, time) VALUES ('quarantined', 1, 'acme', 'r', '2026-11-01')`);

describe("a slice of the SQLite log's retirement", () => {
  it("ends with the stream that fills it", () => {
    tables.put(notice(alice, "a"), notice(bob, "b"));
    const first = slice(streamCost);
    expect(streamsOf(first)).toEqual([alice]);
    expect(streamsOf(slice(streamCost, first.next ?? ""))).toEqual([bob]);
  });

  it("counts the old letters that it deletes", () => {
    tables.put(notice(alice, "a"));
    for (let count = 0; count < 3; count += 1) oldLetter();
    const first = slice(3);
    expect(streamsOf(first)).toEqual([]);
    expect(first.next).not.toBeNull();
    expect(one("SELECT count(*) FROM letters")).toBe(0);
    expect(streamsOf(slice(3, first.next ?? undefined))).toEqual([alice]);
  });

  it("counts the rubbish that it deletes, and what lies there in vain", () => {
    tables.put(
      started(
        newRun(),
        names(9).map((name) => keyed(name)),
      ),
    );
    run("INSERT INTO rubbish VALUES (1)");
    tables.put(notice(bob, "b"));
    expect(streamsOf(slice(5))).toEqual([]);
    expect(one("SELECT count(*) FROM keys")).toBe(4);
    run("DELETE FROM keys; DELETE FROM rubbish; INSERT INTO rubbish VALUES (91), (92), (93), (94), (95)");
    slice(3);
    expect(one("SELECT count(*) FROM rubbish")).toBe(2);
  });

  it("is not the last while there is rubbish left", () => {
    tables.put(...names(30).map((name) => notice(alice, name)));
    let found = slice(streamCost + 2);
    expect(streamsOf(found)).toEqual([alice]);
    expect(one("SELECT count(*) FROM events")).toBe(28);
    expect(found.next).not.toBeNull();
    for (let slices = 0; found.next !== null; slices += 1) {
      expect(slices).toBeLessThan(30);
      found = slice(streamCost, found.next);
    }
    expect(one("SELECT count(*) FROM events")).toBe(0);
    expect(one("SELECT count(*) FROM rubbish")).toBe(0);
  });

  it("goes on behind a stream from which nothing can go", () => {
    tables.put(started(newRun(run1, alice)), notice(bob, "b"));
    const seen: string[] = [];
    let found = slice(streamCost);
    for (let slices = 0; found.next !== null; slices += 1) {
      expect(slices).toBeLessThan(5);
      found = slice(streamCost, found.next);
      seen.push(...streamsOf(found));
    }
    expect(seen).toEqual([bob]);
  });

  it("remembers how old what stays is, and the newest row, also of what was rubbish", () => {
    tables.put(notice(alice, "a", "b"), { stream: alice, events: [event("c", { time: young })] });
    slice(100);
    expect(tables.select("SELECT first, oldest FROM streams")).toEqual([[3, young]]);
    run("DELETE FROM meta; UPDATE streams SET first = 4; INSERT INTO rubbish VALUES (-1)");
    slice(100);
    expect(one("SELECT count(*) FROM events")).toBe(0);
    expect(lastRow(tables.database)).toBe(2);
  });
});

describe("what the SQLite log's retirement counts as dead", () => {
  it("are the lost ones, acknowledged or not, and those that nobody acknowledged", () => {
    tables.put(notice(alice, "1", "2", "3", "4"));
    run("UPDATE streams SET acked = 2; INSERT INTO dead_letters VALUES (1, 1), (1, 3)");
    expect(slice(100).streams).toEqual([{ stream: alice, from: 1, upto: 4, deadLettered: 1 }]);
    expect(one("SELECT dead FROM streams")).toBe(3);
    expect(tables.select("SELECT from_offset, upto_offset, events FROM letters")).toEqual([[3, 4, 1]]);
  });

  it("gets no letter when all of it was lost before", () => {
    tables.put(notice(alice, "1", "2"));
    run("UPDATE streams SET acked = 1; INSERT INTO dead_letters VALUES (1, 2)");
    expect(slice(100).streams).toMatchObject([{ upto: 2, deadLettered: 0 }]);
    expect(one("SELECT count(*) FROM letters")).toBe(0);
  });
});

describe("a stream that the SQLite log cannot retire", () => {
  it("costs itself, not the sweep, and keeps what it had", () => {
    tables.put(notice(alice, "a"), notice(bob, "b"));
    run(`INSERT INTO letters (kind, stream, tenant, from_offset, upto_offset, events, reason, time)
      VALUES ('retired', 1, 'acme', 1, ${noNumber}, 1, 'r', '${now}')`);
    const found = slice(100);
    expect(streamsOf(found)).toEqual([bob]);
    expect(found.next).toBeNull();
    expect(tables.select("SELECT first FROM streams ORDER BY id")).toEqual([[1], [2]]);
    expect(one("SELECT count(*) FROM events")).toBe(1);
    expect(tables.database.isTransaction).toBe(false);
  });

  it.each(["ABORT", "ROLLBACK"])("fails the slice when the reason is no broken page, and says it (%s)", (way) => {
    tables.put(notice(alice, "a"));
    run(`CREATE TRIGGER no BEFORE UPDATE OF first ON streams BEGIN SELECT RAISE(${way}, 'no room'); END`);
    expect(() => slice(100)).toThrow("no room");
    expect(tables.database.isTransaction).toBe(false);
    expect(one("SELECT first FROM streams")).toBe(1);
  });
});
