import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkpoint, openDatabase, openForReading, walBytes } from "../../src/log/sqlite-database.ts";

let folder: string;
let path: string;
let opened: DatabaseSync[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-database-"));
  path = join(folder, "log.db");
});
afterEach(async () => {
  for (const database of opened) if (database.isOpen) database.close();
  opened = [];
  await rm(folder, { recursive: true });
});

const keep = (database: DatabaseSync) => {
  opened.push(database);
  return database;
};
const writer = () => keep(openDatabase({ path, lockWaitMs: 10 }));
const reader = () => keep(openForReading({ path, lockWaitMs: 10 }));
const pragma = (database: DatabaseSync, name: string) =>
  Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];

describe("the database of the SQLite log", () => {
  it("waits for the disk at every commit, and copies 16 MiB of WAL at a time", () => {
    const database = writer();
    expect(pragma(database, "journal_mode")).toBe("wal");
    expect(pragma(database, "synchronous")).toBe(2);
    expect(pragma(database, "wal_autocheckpoint")).toBe(4_000);
    expect(pragma(database, "journal_size_limit")).toBe(32 * 2 ** 20);
    expect(pragma(database, "cache_size")).toBe(-16_000);
    expect(pragma(database, "temp_store")).toBe(2);
    expect(pragma(database, "busy_timeout")).toBe(10);
  });

  it("empties the WAL when it is opened", () => {
    const first = writer();
    first.exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    expect(walBytes(path)).toBeGreaterThan(0);
    // Another opening while the first has left its WAL behind, as a killed process does.
    writer();
    expect(walBytes(path)).toBe(0);
  });

  it("can be read by another while it is written, and not be written by it", () => {
    const database = writer();
    database.exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    const other = reader();
    expect(other.prepare("SELECT x FROM t").get()).toEqual({ x: 1 });
    expect(() => other.exec("INSERT INTO t VALUES (2)")).toThrow("readonly");
    expect(pragma(other, "cache_size")).toBe(-2_000);
    expect(pragma(other, "temp_store")).toBe(2);
    expect(pragma(other, "busy_timeout")).toBe(10);
  });

  it("says whether the WAL could be emptied, or somebody reads what stands in it", () => {
    const database = writer();
    database.exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    const other = reader();
    other.exec("BEGIN; SELECT x FROM t");
    database.exec("INSERT INTO t VALUES (2)");
    expect(checkpoint(database)).toBe(false);
    expect(walBytes(path)).toBeGreaterThan(0);
    other.exec("COMMIT");
    expect(checkpoint(database)).toBe(true);
    expect(walBytes(path)).toBe(0);
  });

  it("has no WAL where there is no file", () => {
    expect(walBytes(join(folder, "nothing"))).toBe(0);
  });

  it("is let go again when it cannot be opened", () => {
    const first = writer();
    first.exec("BEGIN IMMEDIATE");
    expect(() => openDatabase({ path, lockWaitMs: 10 })).toThrow("locked");
    first.exec("COMMIT");
    first.close();
    // The last one to leave takes the WAL with it: nobody else has the file.
    expect(walBytes(path)).toBe(0);
  });
});
