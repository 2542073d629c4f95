import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asDeviceId } from "../../protocol/ids.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { migrate, schemaVersion } from "../../src/log/sqlite-schema.ts";
import { rejection } from "../../src/testing/event-log/law.ts";
import {
  alice,
  bob,
  event,
  ids,
  newRun,
  next,
  notice,
  run1,
  started,
  tenant,
  wide,
  write,
} from "../../src/testing/event-log/sample.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-file-"));
  path = join(folder, "log.db");
});
afterEach(() => rm(folder, { recursive: true }));

const open = () => openSqliteLog({ path, lockWaitMs: 50 });

/** Looks at the file, or changes it, while no log has it. */
function edit<Answer>(work: (database: DatabaseSync) => Answer): Answer {
  const database = new DatabaseSync(path);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

async function balance(log: Awaited<ReturnType<typeof open>>): Promise<number> {
  const { accepted, acked, stored, deadLettered } = await log.ledger();
  return accepted - acked - stored - deadLettered;
}

describe("the SQLite log and its records", () => {
  /** Writes six events of a run in three rows, closes, and changes the text of the fourth in the file by `flip`. */
  async function flipped(flip: (byte: number) => number) {
    const log = await open();
    await write(
      log,
      started(
        newRun(),
        ["a", "b"].map((name) => event(name)),
      ),
    );
    await write(log, next(2, [event("c"), event("d", { data: `{"secret":"mark of d"}` }), event("e")]));
    await write(log, next(5, [event("f")]));
    await log.close();
    const bytes = await readFile(path);
    const at = bytes.indexOf("mark of d");
    expect(at).toBeGreaterThan(0);
    expect(bytes.indexOf("mark of d", at + 1)).toBe(-1);
    bytes[at] = flip(bytes[at] ?? 0);
    await writeFile(path, bytes);
    return open();
  }

  for (const [what, flip] of [
    ["a flipped bit", (byte: number) => byte ^ 1],
    ["a byte that is no UTF-8", () => 0xff],
    ["a byte that became NUL", () => 0],
  ] as const) {
    it(`names the events of an append with ${what}, never delivers them, and reads on behind them`, async () => {
      const log = await flipped(flip);
      const { events, corrupt, head } = await log.read(alice, 0, wide);
      expect(events.map(({ offset }) => offset)).toEqual([1, 2, 6]);
      expect(corrupt).toEqual([3, 4, 5]);
      expect(head).toBe(6);
      expect((await log.readRun(tenant, run1, 0, wide)).map(({ seq }) => seq)).toEqual([1, 2, 6]);
      expect(await log.ledger(alice)).toEqual({ accepted: 6, acked: 0, stored: 3, deadLettered: 3 });
      await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 4 }]);
      expect(await log.ledger(alice)).toEqual({ accepted: 6, acked: 2, stored: 1, deadLettered: 3 });
      expect(await log.append(next(6, [event("g")]))).toMatchObject({ kind: "appended", offset: 7, seq: 7 });
      expect((await log.read(alice, 2, { maxEvents: 1, maxBytes: 1 })).corrupt).toEqual([3]);
      await log.close();
    });
  }

  it("counts all events of a broken record as dead, also when only some of them were asked for", async () => {
    const log = await flipped((byte) => byte ^ 1);
    const { events, corrupt } = await log.read(alice, 4, wide);
    expect(events.map(({ offset }) => offset)).toEqual([6]);
    expect(corrupt).toEqual([5]);
    expect(await log.ledger(alice)).toEqual({ accepted: 6, acked: 0, stored: 3, deadLettered: 3 });
    await log.close();
  });

  it("names an event that was moved to another owner or place", async () => {
    const log = await open();
    await write(log, notice(alice, "a"));
    await write(log, notice(bob, "b"));
    await log.close();
    edit((database) => {
      database.exec("UPDATE events SET stream = stream - 3");
      database.exec("UPDATE events SET stream = - stream");
    });
    const again = await open();
    expect(await again.read(alice, 0, wide)).toMatchObject({ events: [], corrupt: [1] });
    expect(await again.read(bob, 0, wide)).toMatchObject({ events: [], corrupt: [1] });
    expect(await balance(again)).toBe(0);
    await again.close();
  });

  it("names events that are gone, in the middle and at the end, and counts them as dead", async () => {
    const log = await open();
    for (const names of [["a"], ["b", "c"], ["d"], ["e"]]) await write(log, notice(alice, ...names));
    await write(log, notice(bob, "x"));
    await log.close();
    edit((database) => database.exec("DELETE FROM events WHERE stream = 1 AND last_offset IN (3, 5)"));
    const again = await open();
    expect(await balance(again)).toBe(3);
    expect((await again.read(alice, 0, { maxEvents: 2, maxBytes: 9_999 })).corrupt).toEqual([2]);
    const { events, corrupt } = await again.read(alice, 0, wide);
    expect(events.map(({ id }) => id)).toEqual(["id-a", "id-d"]);
    expect(corrupt).toEqual([2, 3, 5]);
    expect(await again.ledger(alice)).toEqual({ accepted: 5, acked: 0, stored: 2, deadLettered: 3 });
    expect(await balance(again)).toBe(0);
    await again.close();
  });

  it("fails a whole group when the file refuses one of its rows, and counts on as if it never was", async () => {
    await (await open()).close();
    edit((database) =>
      database.exec(`CREATE TRIGGER refuse BEFORE INSERT ON events WHEN new.meta LIKE '%x.refused%'
        BEGIN SELECT RAISE(ABORT, 'refused by the file'); END`),
    );
    const log = await open();
    await write(log, notice(alice, "a"));
    const refused = { stream: alice, events: [event("b"), event("c", { type: "x.refused" })] };
    const heard: number[] = [];
    log.watch(({ head }) => void heard.push(head));
    const failed = await Promise.all(
      [notice(alice, "d"), refused, started(newRun())].map((append) => rejection(log.append(append))),
    );
    for (const failure of failed) expect(failure).toMatchObject({ _tag: "LogUnavailable" });
    expect(heard).toEqual([]);
    expect(await log.run(tenant, run1)).toBeUndefined();
    expect(await log.append(started(newRun()))).toMatchObject({ kind: "appended", offset: 2, seq: 1 });
    expect(await log.append(notice(alice, "e"))).toMatchObject({ offset: 3 });
    expect(await ids(log, alice)).toEqual(["id-a", "id-run-1 started", "id-e"]);
    await log.close();
  });

  it("refuses what would make more wait than it may hold", async () => {
    const log = await openSqliteLog({ path, maxWaitingBytes: 1_000 });
    const big = { stream: alice, events: [event("big", { data: JSON.stringify("x".repeat(2_000)) })] };
    const first = log.append(big);
    expect(await rejection(log.append(big))).toMatchObject({ _tag: "LogUnavailable" });
    expect((await first).kind).toBe("appended");
    expect((await log.append(big)).kind).toBe("appended");
    await log.close();
  });
});

describe("the SQLite log and its schema", () => {
  it("brings an empty file of version 0 to this version", async () => {
    await writeFile(path, "");
    const log = await open();
    await write(log, notice(alice, "a"));
    await log.close();
    const version = edit((database) => database.prepare("PRAGMA user_version").get());
    expect(version).toEqual({ user_version: schemaVersion });
  });

  it("opens a file of version 1 with what is in it", async () => {
    edit((database) => {
      migrate(database);
      database.exec(`
        INSERT INTO streams (id, key, head) VALUES (1, '${alice}', 3);
        INSERT INTO events VALUES (1, 1, 1, 3, NULL, NULL,
          '["t","th",null,"id-","1","x.old",2,"2",0,7,"3","x.late",2,["u",null,"tp",1]]',
          '{}{"a":1}{}', 588748712);
      `);
    });
    const log = await open();
    const { events, corrupt } = await log.read(alice, 0, wide);
    expect(corrupt).toBeUndefined();
    expect(events).toEqual([
      { id: "id-1", type: "x.old", time: "t", threadId: "th", data: "{}", offset: 1 },
      { id: "id-2", type: "x.old", time: "t", threadId: "th", data: `{"a":1}`, offset: 2 },
      { id: "id-3", type: "x.late", time: "u", traceparent: "tp", repaired: true, data: "{}", offset: 3 },
    ]);
    expect(await log.append(notice(alice, "new"))).toMatchObject({ offset: 4 });
    await log.close();
  });

  it("refuses a file of a newer version, by its name and both versions, and leaves it alone", async () => {
    await (await open()).close();
    edit((database) => database.exec(`PRAGMA user_version = ${schemaVersion + 1}`));
    const before = await readFile(path);
    const failure = await rejection(open());
    expect(failure).toMatchObject({ _tag: "InvalidConfig", setting: "store" });
    expect(String(failure)).toContain(
      `${path} has schema version ${schemaVersion + 1}; this release knows ${schemaVersion}`,
    );
    expect(await readFile(path)).toEqual(before);
  });

  it("refuses another program's database, a file that is none, and a folder that is not there", async () => {
    edit((database) => database.exec("CREATE TABLE theirs (x)"));
    expect(String(await rejection(open()))).toContain("is a database of another program");
    await writeFile(path, "not a database, but long enough to be looked at as one".repeat(100));
    expect(String(await rejection(open()))).toContain(`${path} is not a database`);
    const nowhere = join(folder, "none", "log.db");
    expect(String(await rejection(openSqliteLog({ path: nowhere })))).toContain("does its folder exist");
  });

  it("refuses a second opener, by the file's name, until the first has closed", async () => {
    const log = await open();
    const failure = await rejection(open());
    expect(failure).toMatchObject({ _tag: "LogUnavailable" });
    expect(String(failure)).toContain(`${path} is in use by another process`);
    await write(log, notice(alice, "a"));
    await log.close();
    const second = await open();
    expect(await ids(second, alice)).toEqual(["id-a"]);
    await second.close();
  });
});
