import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asDeviceId, asRunId } from "../../protocol/ids.ts";
import { openSqliteLog } from "../../src/log/sqlite.ts";
import { schemaVersion } from "../../src/log/sqlite-schema.ts";
import {
  alice,
  bob,
  ending,
  event,
  keyed,
  newRun,
  next,
  notice,
  run1,
  run2,
  started,
  tenant,
  time,
  wide,
  write,
} from "../../src/testing/event-log/sample.ts";

const formerSchema = new URL("./fixtures/schema-1.sql", import.meta.url);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "runcast-schema-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Makes a file of the first schema that holds what the file of today at `path` holds. */
async function formerFile(path: string): Promise<string> {
  const former = join(folder, "former.db");
  const database = new DatabaseSync(former);
  database.exec(await readFile(formerSchema, "utf8"));
  database.exec(`ATTACH '${path}' AS now`);
  const tables = database
    .prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table'")
    .all()
    .map(({ name }) => String(name));
  for (const table of tables.filter((name) => name !== "quarantine")) {
    const columns = database
      .prepare(`SELECT name FROM pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => String(name))
      .join(", ");
    database.exec(`INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM now.${table}`);
  }
  database.exec(`INSERT INTO quarantine (stream, tenant, run_id, type, data, reason, time)
    SELECT stream, tenant, run_id, type, data, reason, time FROM now.letters`);
  // What a first release knew of itself; the mark beside it says that it is the same history.
  database.exec("DELETE FROM meta WHERE name NOT IN ('epoch', 'generation')");
  database.close();
  await copyFile(`${path}.epoch`, `${former}.epoch`);
  return former;
}

describe("a file of the first schema", () => {
  it("is brought forward with all that it holds, and retires and compacts like a new one", async () => {
    const path = join(folder, "now.db");
    const log = await openSqliteLog({ path });
    await write(log, started(newRun(run1), [keyed("k"), event("b")]));
    await write(log, next(2, [event("ask")], { approvals: ["a-1"] }));
    await write(log, ending(3));
    await write(log, started(newRun(run2)));
    await write(log, notice(bob, "d"));
    await log.saveCursors([{ stream: alice, device: asDeviceId("d"), offset: 2 }]);
    const late = { stream: alice, tenantId: tenant, runId: run1, type: "x.late", data: "{}", reason: "late", time };
    await log.quarantine(late);
    const [events, runs, ledger] = [
      await log.read(alice, 0, wide),
      (await log.runs({ limit: 9 })).runs,
      await log.ledger(),
    ];
    await log.close();

    const former = await formerFile(path);
    const brought = await openSqliteLog({ path: former });
    expect(await brought.read(alice, 0, wide)).toEqual(events);
    expect((await brought.runs({ limit: 9 })).runs).toEqual(runs);
    expect(await brought.ledger()).toEqual(ledger);
    expect((await brought.deadLetters({ limit: 9 })).entries).toEqual([{ kind: "quarantined", ...late }]);
    expect((await brought.approval(tenant, "a-1"))?.runId).toBe(run1);
    // The run that was unfinished goes on, one with a time limit can be made.
    await write(brought, next(1, [event("on")], { runId: run2, ended: "completed" }));
    await write(brought, started(newRun(asRunId("limited"), bob, { deadlineMs: 5 }), [event("e")]));
    expect((await brought.run(tenant, asRunId("limited")))?.deadlineMs).toBe(5);
    await write(brought, { ...next(1, [event("f")], { runId: asRunId("limited"), ended: "completed" }), stream: bob });
    const later = "2026-11-22T00:00:00.000Z";
    expect(await brought.compact({ endedBefore: later, maxEvents: 1_000 })).toEqual({ merged: 0, more: false });
    const { streams } = await brought.retire({ before: later, now: later, maxEvents: 1_000 });
    expect(streams.map(({ stream, upto, deadLettered }) => [stream, upto, deadLettered])).toEqual([
      [alice, 6, 4],
      [bob, 3, 3],
    ]);
    expect(await brought.ledger()).toEqual({ accepted: 9, acked: 2, stored: 0, deadLettered: 7 });
    await brought.close();
    const database = new DatabaseSync(former);
    expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: schemaVersion });
    database.close();
  });
});
