import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Append } from "../../src/log/event-log.ts";
import { type Cell, putAppend } from "../../src/log/sqlite-cells.ts";
import { SqliteStore } from "../../src/log/sqlite-store.ts";
import { alice, event, newRun, next, notice, started } from "../../src/testing/event-log/sample.ts";

const sealMs = 60_000;

let folder: string;
let path: string;
let opened: { close(): void }[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-store-"));
  path = join(folder, "log.db");
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(async () => {
  vi.useRealTimers();
  for (const each of opened.reverse()) each.close();
  opened = [];
  await rm(folder, { recursive: true });
});

const keep = <Opened extends { close(): void }>(made: Opened): Opened => {
  opened.push(made);
  return made;
};
const open = (identify?: (file: number) => string) => keep(new SqliteStore({ path, lockWaitMs: 20 }, identify));
const other = () => keep(new DatabaseSync(path));

function put(store: SqliteStore, append: Append, fsync = true) {
  const cells: Cell[] = [];
  putAppend(cells, append);
  return store.write({ order: ["append"], cells, fsync });
}
const head = (store: SqliteStore) => store.reader.position(alice).head;
const failure = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
};

describe("the store of the SQLite log", () => {
  it("writes nothing while another process holds the file, answers reads, and goes on when it is free", () => {
    const store = open();
    put(store, notice(alice, "a"));
    const holder = other();
    holder.exec("BEGIN IMMEDIATE");
    for (let tries = 0; tries < 2; tries += 1)
      expect(failure(() => put(store, notice(alice, "b")))).toMatchObject({ errcode: 5 });
    expect(head(store)).toBe(1);
    holder.exec("COMMIT");
    expect(put(store, notice(alice, "c"))).toEqual([2, 0, 0]);
    holder.exec("BEGIN IMMEDIATE");
    expect(failure(() => put(store, notice(alice, "d")))).toMatchObject({ errcode: 5 });
    holder.exec("COMMIT");
    expect(put(store, notice(alice, "e"))).toEqual([3, 0, 0]);
  });

  it("believes no counter of its own after another process has written to the file", () => {
    const store = open();
    put(store, started(newRun()));
    const foreign = other();
    foreign.exec("UPDATE runs SET fence = 7");
    expect(put(store, next(1, [event("late")], { fence: 1 }))).toEqual([{ kind: "fenced", fence: 7 }]);
    expect(put(store, next(1, [event("on")], { fence: 7 }))).toEqual([2, 2, 7]);
    foreign.exec("UPDATE runs SET fence = 9");
    expect(put(store, next(2, [event("late")], { fence: 7 }))).toEqual([{ kind: "fenced", fence: 9 }]);
  });

  it("forgets what a failed group had counted", () => {
    const store = open();
    put(store, started(newRun()));
    const foreign = other();
    foreign.exec("CREATE TRIGGER no BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END");
    expect(String(failure(() => put(store, next(1, [event("a")]))))).toContain("no");
    foreign.exec("DROP TRIGGER no");
    expect(put(store, next(1, [event("b")]))).toEqual([2, 2, 1]);
    expect(head(store)).toBe(2);
  });

  it("leaves nothing beside a file that is none of its own", () => {
    writeFileSync(path, "this is no database, and long enough to say so: ".repeat(20));
    expect(failure(() => open())).toMatchObject({ errcode: 26 });
    expect(existsSync(`${path}.lock`)).toBe(false);
    writeFileSync(path, "");
    const foreign = other();
    foreign.exec("CREATE TABLE theirs (x)");
    expect(String(failure(() => open()))).toContain("another program");
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it("is opened by one at a time, and free for the next when that one has closed or could not be opened", () => {
    const first = new SqliteStore({ path, lockWaitMs: 20 });
    expect(failure(() => open())).toMatchObject({ errcode: 5 });
    expect(existsSync(`${path}.lock`)).toBe(true);
    first.close();
    const holder = other();
    holder.exec("BEGIN IMMEDIATE");
    expect(failure(() => open())).toMatchObject({ errcode: 5 });
    holder.exec("COMMIT");
    expect(head(open())).toBe(0);
  });

  it("says in its mark when commits did not wait for the disk, and for appends only", () => {
    const store = open();
    const boot = () => /boot=(\S*)/.exec(String(readFileSync(`${path}.epoch`)))?.[1];
    put(store, notice(alice, "a"));
    store.write({ order: [{ op: "saveCursors", cursors: [] }], cells: [], fsync: false });
    expect(boot()).toBe("");
    put(store, notice(alice, "b"), false);
    expect(boot()).not.toBe("");
  });

  it("seals its mark once a minute, with the commit that comes then", () => {
    const store = open();
    const file = () => statSync(`${path}.epoch`).ino;
    put(store, notice(alice, "a"));
    const first = file();
    vi.advanceTimersByTime(sealMs);
    put(store, notice(alice, "b"));
    expect(file()).toBe(first);
    vi.advanceTimersByTime(1);
    put(store, notice(alice, "c"));
    const second = file();
    expect(second).not.toBe(first);
    put(store, notice(alice, "d"));
    expect(file()).toBe(second);
  });

  describe("whose disk has failed", () => {
    /** The disk fails when the mark is sealed; what was committed is committed. */
    function failing() {
      let isFailing = false;
      let count = 0;
      const store = open(() => {
        if (isFailing) throw Object.assign(new Error("the disk failed"), { code: "EIO" });
        count += 1;
        return `file-${count}`;
      });
      put(store, notice(alice, "a"));
      isFailing = true;
      vi.advanceTimersByTime(sealMs + 1);
      expect(put(store, notice(alice, "b"))).toEqual([2, 0, 0]);
      isFailing = false;
      return store;
    }

    it("opens the file anew before it writes on, and loses nothing", () => {
      const store = failing();
      expect(head(store)).toBe(2);
      expect(put(store, notice(alice, "c"))).toEqual([3, 0, 0]);
      expect(put(store, notice(alice, "d"))).toEqual([4, 0, 0]);
      expect(store.reader.ledger(alice, 0)).toMatchObject({ accepted: 4 });
    });

    it("writes nothing while somebody reads what stood there before, and answers reads", () => {
      const store = failing();
      const reader = other();
      reader.exec("BEGIN; SELECT * FROM events");
      for (let tries = 0; tries < 2; tries += 1)
        expect(String(failure(() => put(store, notice(alice, "c"))))).toContain("another process reads");
      expect(head(store)).toBe(2);
      reader.exec("COMMIT");
      expect(put(store, notice(alice, "c"))).toEqual([3, 0, 0]);
    });

    it("writes to no file that took its place", () => {
      const store = failing();
      other().exec("UPDATE meta SET value = '99' WHERE name = 'generation'");
      expect(String(failure(() => put(store, notice(alice, "c"))))).toContain("was replaced");
      expect(head(store)).toBe(2);
    });
  });
});
