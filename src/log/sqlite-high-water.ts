/** The greatest numbers that were ever given: what retention deletes must not be numbered again. */
import type { DatabaseSync } from "node:sqlite";

/** Number of the newest row of `events`, deleted ones included. */
export const lastRow = (database: DatabaseSync): number => highest(database, "row", "events", "last_row");

/** Number of the newest run, deleted ones included. */
export const lastRun = (database: DatabaseSync): number => highest(database, "id", "runs", "last_run");

function highest(database: DatabaseSync, column: string, table: string, name: string): number {
  const select = database.prepare(
    `SELECT max(coalesce((SELECT max(${column}) FROM ${table}), 0),
       coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = '${name}'), 0)) AS highest`,
  );
  return Number(select.get()?.["highest"]);
}

/** Before rows or runs are deleted. */
export function noteHighWater(database: DatabaseSync): void {
  const upsert = database.prepare(
    "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  );
  upsert.run("last_row", String(lastRow(database)));
  upsert.run("last_run", String(lastRun(database)));
}
