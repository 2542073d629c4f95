/**
 * The tables of the SQLite log in memory, written by its own writer: for tests of what stands in single rows. They
 * break a row by SQL where a disk would by a flipped bit.
 */
import { DatabaseSync } from "node:sqlite";
import type { Append } from "../../src/log/event-log.ts";
import { type Cell, CellReader, putAppend, takeAppend } from "../../src/log/sqlite-cells.ts";
import { migrate } from "../../src/log/sqlite-schema.ts";
import { SqliteWriter } from "../../src/log/sqlite-writer.ts";

export interface WrittenTables {
  readonly database: DatabaseSync;
  /** In order; fails when one is refused. */
  put(...appends: readonly Append[]): void;
  /** Rows as arrays of their columns. */
  select(sql: string): unknown[][];
}

export function writtenTables(): WrittenTables {
  const database = new DatabaseSync(":memory:");
  migrate(database);
  const writer = new SqliteWriter(database);
  return {
    database,
    put: (...appends) => {
      for (const append of appends) {
        const cells: Cell[] = [];
        putAppend(cells, append);
        const answer = writer.append(takeAppend(new CellReader(cells)));
        if ("kind" in answer) throw new Error(`refused: ${JSON.stringify(answer)}`);
      }
      writer.flush();
    },
    select: (sql) => {
      const statement = database.prepare(sql);
      statement.setReturnArrays(true);
      return statement.all() as unknown as unknown[][];
    },
  };
}
