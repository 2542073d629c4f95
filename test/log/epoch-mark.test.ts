import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { epochOf, EpochMark } from "../../src/log/sqlite-epoch.ts";
import { migrate } from "../../src/log/sqlite-schema.ts";
import { event, newRun, next, started, write } from "../../src/testing/event-log/sample.ts";

let folder: string;
let path: string;
let database: DatabaseSync;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-mark-"));
  path = join(folder, "log.db");
  database = new DatabaseSync(path);
  migrate(database);
});
afterEach(async () => {
  if (database.isOpen) database.close();
  await rm(folder, { recursive: true });
});

/** Where a copy cannot be told from its original, only what the mark says is left. */
const blind = () => "any-file";
const mark = (row: number) => new EpochMark(path, database, row, blind);
const textOf = () => readFile(`${path}.epoch`, "latin1");
/** Says another row or generation in the file, as a file of another time would. */
const rewrite = async (pattern: RegExp, by: string) =>
  writeFile(`${path}.epoch`, (await textOf()).replace(pattern, by));

describe("the mark of an epoch", () => {
  it("stands beside the store, with its epoch, the openings and the newest row", async () => {
    const first = mark(7);
    expect(await textOf()).toBe(`${`runcast-epoch 1 ${first.epoch} 1 7 boot=`.padEnd(199)}\n`);
    first.committed(9);
    expect(await textOf()).toContain(`${first.epoch} 1 9 boot= `);
    first.close(true);
    const second = mark(9);
    expect(second.epoch).toBe(first.epoch);
    expect(await textOf()).toContain(`${first.epoch} 2 9 boot= `);
    second.close(true);
    expect(existsSync(`${path}.epoch.new`)).toBe(false);
  });

  it("takes a store that has more rows or openings for the same history", async () => {
    const { epoch, close } = kept(mark(7));
    close();
    await rewrite(/ 1 7 /, " 0 3 ");
    expect(mark(8).epoch).toBe(epoch);
  });

  it("takes a store that has fewer rows for another history", () => {
    const { epoch, close } = kept(mark(7));
    close();
    expect(mark(6).epoch).not.toBe(epoch);
  });

  it("takes a store that has seen fewer openings for another history, and counts on from the greater number", async () => {
    const { epoch, close } = kept(mark(7));
    close();
    await rewrite(/ 1 7 /, " 5 7 ");
    const next = mark(7);
    expect(next.epoch).not.toBe(epoch);
    expect(await textOf()).toContain(`${next.epoch} 6 7 `);
    next.close(true);
  });

  it("takes a store of another epoch for another history", async () => {
    const { epoch, close } = kept(mark(7));
    close();
    await rewrite(/AAAA|\S{16}/, "BBBBBBBBBBBBBBBB");
    expect(mark(7).epoch).not.toBe(epoch);
  });

  it("is believed after a crash while commits did not wait for the disk, as long as the machine ran on", async () => {
    const first = mark(7);
    first.beforeUnsynced();
    expect(await textOf()).toMatch(/ 1 7 boot=\S+ /);
    first.committed(8);
    expect(await textOf()).toMatch(/ 1 8 boot=\S+ /);
    // No close: the process died.
    expect(mark(8).epoch).toBe(first.epoch);
  });

  it("says that the disk has everything only when it does", async () => {
    const first = mark(7);
    first.beforeUnsynced();
    first.close(false);
    expect(await textOf()).toMatch(/boot=\S+ /);
    const second = mark(7);
    second.beforeUnsynced();
    second.close(true);
    expect(await textOf()).toContain("boot= ");
  });

  it("is sealed again after a minute", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const first = mark(7);
      vi.advanceTimersByTime(60_000);
      expect(first.isOld).toBe(false);
      vi.advanceTimersByTime(1);
      expect(first.isOld).toBe(true);
      first.seal(database);
      expect(first.isOld).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });

  it("gives itself a new file when it is sealed, and the store knows that one and the one before", () => {
    let count = 0;
    const identify = () => `file-${(count += 1)}`;
    const first = new EpochMark(path, database, 7, identify);
    const seals = () => database.prepare("SELECT value FROM meta WHERE name = 'seals'").get()?.["value"];
    expect(seals()).toBe("file-1");
    first.seal(database);
    expect(seals()).toBe("file-1 file-2");
    expect(epochOf(database)).toBe(first.epoch);
  });

  it("holds the store that it was made for, and no longer once that was opened anew", () => {
    const first = mark(7);
    expect(first.holds(database)).toBe(true);
    const second = mark(7);
    expect(first.holds(database)).toBe(false);
    expect(second.holds(database)).toBe(true);
  });

  it("leaves the store as it was when it cannot be written down", () => {
    database.exec("CREATE TRIGGER no BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'no room'); END");
    expect(() => mark(7)).toThrow("no room");
    expect(database.isTransaction).toBe(false);
    expect(() => epochOf(database)).toThrow("the store has no epoch");
  });

  it("leaves fences alone while the history is the same (L14)", async () => {
    database.close();
    const log = await openSqliteLog({ path });
    await write(log, started(newRun()));
    await log.close();
    const again = await openSqliteLog({ path });
    expect(await again.append(next(1, [event("on")], { fence: 1 }))).toMatchObject({ kind: "appended", fence: 1 });
    await again.close();
  });
});

function kept(of: EpochMark) {
  return { epoch: of.epoch, close: () => of.close(true) };
}
