import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventLog } from "../../src/log/event-log.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { EpochMark } from "../../src/log/sqlite-epoch.ts";
import {
  alice,
  ending,
  event,
  ids,
  newRun,
  next,
  notice,
  run1,
  started,
  tenant,
  write,
} from "../../src/testing/event-log/sample.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-epoch-"));
  path = join(folder, "log.db");
});
afterEach(() => rm(folder, { recursive: true }));

const open = () => openSqliteLog({ path, lockWaitMs: 50 });

describe("the SQLite log and its epoch", () => {
  async function epochOf(work?: (log: Awaited<ReturnType<typeof open>>) => Promise<unknown>): Promise<string> {
    const log = await open();
    await work?.(log);
    const { epoch } = await log.position(alice);
    await log.close();
    return epoch;
  }
  const writeOne = (log: Awaited<ReturnType<typeof open>>) => write(log, notice(alice, "a"));

  it("keeps it over openings", async () => {
    const epoch = await epochOf(writeOne);
    expect(await epochOf(writeOne)).toBe(epoch);
    expect(await epochOf()).toBe(epoch);
  });

  it("draws another when the file is gone", async () => {
    const epoch = await epochOf(writeOne);
    await rm(path);
    expect(await epochOf()).not.toBe(epoch);
  });

  it("draws another when an older copy was put back, and again keeps that one", async () => {
    const epoch = await epochOf(writeOne);
    await copyFile(path, `${path}.backup`);
    expect(await epochOf(writeOne)).toBe(epoch);
    await copyFile(`${path}.backup`, path);
    const restored = await epochOf();
    expect(restored).not.toBe(epoch);
    expect(await epochOf(writeOne)).toBe(restored);
  });

  it("draws another when an older copy was put back, also when no event was written since", async () => {
    const epoch = await epochOf((log) => write(log, started(newRun())));
    await copyFile(path, `${path}.backup`);
    await epochOf((log) => log.claim(tenant, run1));
    await copyFile(`${path}.backup`, path);
    expect(await epochOf()).not.toBe(epoch);
  });

  it("lets no runner of the lost history write in the next one, whatever fence it held (L14)", async () => {
    await epochOf((log) => write(log, started(newRun())));
    await copyFile(path, `${path}.backup`);
    let lost: Awaited<ReturnType<EventLog["claim"]>>;
    await epochOf(async (log) => {
      lost = await log.claim(tenant, run1);
    });
    await copyFile(`${path}.backup`, path);
    const log = await open();
    for (const fence of [1, lost?.fence])
      expect(await log.append(next(1, [event("late")], { fence }))).toMatchObject({ kind: "fenced" });
    const claimed = await log.claim(tenant, run1);
    expect(claimed?.fence).toBeGreaterThan(lost?.fence ?? 0);
    expect(await log.append(next(1, [event("late")], { fence: lost?.fence }))).toMatchObject({ kind: "fenced" });
    expect(await log.append(next(1, [event("new")], { fence: claimed?.fence }))).toMatchObject({ kind: "appended" });
    await log.close();
  });

  it("draws another when a copy was put back that was made while the log was open", async () => {
    const epoch = await epochOf(async (log) => {
      await writeOne(log);
      for (const end of ["", "-wal"]) await copyFile(`${path}${end}`, `${path}${end}.backup`);
      await writeOne(log);
    });
    for (const end of ["", "-wal"]) await copyFile(`${path}${end}.backup`, `${path}${end}`);
    const log = await open();
    expect(await ids(log, alice)).toEqual(["id-a"]);
    expect((await log.position(alice)).epoch).not.toBe(epoch);
    await log.close();
  });

  it("draws another when the mark beside the file is gone or unreadable", async () => {
    const epoch = await epochOf(writeOne);
    await rm(`${path}.epoch`);
    const second = await epochOf();
    expect(second).not.toBe(epoch);
    await writeFile(`${path}.epoch`, "torn");
    expect(await epochOf()).not.toBe(second);
  });

  it("draws another when the machine stopped while commits did not wait for the disk", async () => {
    const log = await openSqliteLog({ path, durability: "os" });
    await writeOne(log);
    const { epoch } = await log.position(alice);
    const mark = await readFile(`${path}.epoch`, "utf8");
    expect(mark).toMatch(/ boot=\S+ +\n$/);
    await log.close();
    expect(await readFile(`${path}.epoch`, "utf8")).toMatch(/ boot= +\n$/);
    await writeFile(`${path}.epoch`, mark.replace(/boot=\S+/, "boot=of-another-start"));
    expect(await epochOf()).not.toBe(epoch);
  });

  it("draws another when both files are a copy, made while the log was closed and put back in place", async () => {
    const epoch = await epochOf(writeOne);
    for (const end of ["", ".epoch"]) await copyFile(`${path}${end}`, `${path}${end}.backup`);
    expect(await epochOf(writeOne)).toBe(epoch);
    // The same files as far as the system knows, with what was in them then.
    for (const end of ["", ".epoch"]) await writeFile(`${path}${end}`, await readFile(`${path}${end}.backup`));
    expect(await epochOf()).not.toBe(epoch);
  });

  it("draws another when both files are a copy in another folder, and keeps it where they were only moved", async () => {
    const epoch = await epochOf(writeOne);
    const [copied, moved] = [join(folder, "copied"), join(folder, "moved")];
    for (const each of [copied, moved]) await mkdir(each);
    for (const name of ["log.db", "log.db.epoch"]) await copyFile(join(folder, name), join(copied, name));
    for (const name of ["log.db", "log.db.epoch"]) await rename(join(folder, name), join(moved, name));
    path = join(copied, "log.db");
    expect(await epochOf()).not.toBe(epoch);
    path = join(moved, "log.db");
    expect(await epochOf()).toBe(epoch);
  });

  it("draws another when a copy of both is put back that is older than the last seal, in the same opening", async () => {
    await epochOf(writeOne);
    const database = new DatabaseSync(path);
    const mark = new EpochMark(path, database, 1);
    for (const end of ["", ".epoch"]) await copyFile(`${path}${end}`, `${path}${end}.backup`);
    mark.committed(2);
    // What happens once a minute.
    mark.seal(database);
    database.close();
    mark.close(true);
    for (const end of ["", ".epoch"]) await writeFile(`${path}${end}`, await readFile(`${path}${end}.backup`));
    expect(await epochOf()).not.toBe(mark.epoch);
  });

  it("keeps it when the file of an earlier release, which knows no seal, is opened", async () => {
    const epoch = await epochOf(writeOne);
    const database = new DatabaseSync(path);
    database.exec("DELETE FROM meta WHERE name = 'seals'");
    database.close();
    expect(await epochOf()).toBe(epoch);
  });

  it("keeps it and counts on when retention has taken the newest events (I2)", async () => {
    const epoch = await epochOf(async (log) => {
      await write(log, started(newRun()));
      await write(log, ending(1));
      const [before, now] = ["2099-01-01T00:00:00.000Z", "2099-01-02T00:00:00.000Z"];
      await log.retire({ before, now, maxEvents: 100 });
      expect(await log.position(alice)).toMatchObject({ first: 3, head: 2 });
    });
    const again = await epochOf(async (log) => {
      expect(await write(log, notice(alice, "b"))).toMatchObject({ offset: 3 });
      expect(await ids(log, alice)).toEqual(["id-b"]);
    });
    expect(again).toBe(epoch);
  });
});
