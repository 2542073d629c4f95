/**
 * The store of the SQLite log: one file, one writer, one transaction per group (L6). It lives in `sqlite-worker`, the
 * only thread that touches the file, because every call here may wait for the disk.
 */
import { DatabaseSync } from "node:sqlite";
import type { Epoch } from "../../protocol/ids.ts";
import { CellReader, takeAppend } from "./sqlite-cells.ts";
import { EpochMark } from "./sqlite-epoch.ts";
import type { OtherAnswer, WorkerOptions, WriteAnswers, WriteGroup } from "./sqlite-messages.ts";
import { SqliteReader } from "./sqlite-reader.ts";
import { migrate } from "./sqlite-schema.ts";
import { lastRow, SqliteWriter } from "./sqlite-writer.ts";

/** SQLite's own cache of pages: what 1,000 readers of recent events need. */
const cacheKibibytes = 16_000;
/** 16 MiB of WAL before it is copied into the file: pages of the index that many commits touch are copied once. */
const checkpointPages = 4_000;

const sqliteInputOutput = 10;

interface Open {
  readonly database: DatabaseSync;
  writer: SqliteWriter;
  readonly reader: SqliteReader;
  /** What `PRAGMA synchronous` stands at. */
  fsync: boolean;
}

export class SqliteStore {
  readonly #options: WorkerOptions;
  readonly #mark: EpochMark;
  /** Undefined after a commit that failed, until the next call opens the file again. */
  #open: Open | undefined;

  /** Fails: WrongSchema; SQLite's errors when the file is held by somebody else or is not a database. */
  constructor(options: WorkerOptions) {
    this.#options = options;
    const database = openDatabase(options);
    try {
      migrate(database);
      this.#mark = new EpochMark(options.path, database, lastRow(database));
      this.#open = parts(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get epoch(): Epoch {
    return this.#mark.epoch;
  }

  get reader(): SqliteReader {
    return this.#opened().reader;
  }

  /** All of the group or nothing. Fails with SQLite's errors; what a failed commit came to is unknown. */
  write(group: WriteGroup): WriteAnswers {
    const open = this.#opened();
    try {
      this.#setDurability(open, group);
      open.database.exec("BEGIN");
      const answers = apply(open.writer, group);
      open.writer.flush();
      open.database.exec("COMMIT");
      open.writer.committed();
      this.#mark.committed(open.writer.row);
      return answers;
    } catch (error) {
      this.#recover(open, error);
      throw error;
    }
  }

  close(): void {
    const open = this.#open;
    this.#open = undefined;
    let synced = false;
    try {
      open?.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      synced = open !== undefined;
    } catch {
      // What was acknowledged stands in the WAL; the next opening copies it.
    }
    open?.database.close();
    this.#mark.close(synced);
  }

  /** Counters that a failed transaction moved are dropped with their writer. */
  #recover(open: Open, error: unknown): void {
    try {
      if (open.database.isTransaction) open.database.exec("ROLLBACK");
      if (!isInputOutput(error)) {
        // A full disk, for one: reads go on, and so do writes once there is room.
        open.writer = new SqliteWriter(open.database);
        return;
      }
    } catch {
      // Not even a rollback: below.
    }
    // After a failed sync nobody knows what the disk has: only a file that is opened and copied anew is believed.
    this.#open = undefined;
    closeQuietly(open.database);
  }

  #setDurability(open: Open, group: WriteGroup): void {
    if (group.fsync !== open.fsync) {
      // It cannot change within a transaction.
      open.database.exec(`PRAGMA synchronous = ${group.fsync ? "FULL" : "NORMAL"}`);
      open.fsync = group.fsync;
    }
    if (!group.fsync && group.order.includes("append")) this.#mark.beforeUnsynced();
  }

  #opened(): Open {
    if (this.#open !== undefined) return this.#open;
    const database = openDatabase(this.#options);
    if (!this.#mark.holds(database)) {
      database.close();
      throw new Error(`${this.#options.path} was replaced or opened by another process`);
    }
    this.#open = parts(database);
    return this.#open;
  }
}

function parts(database: DatabaseSync): Open {
  return { database, writer: new SqliteWriter(database), reader: new SqliteReader(database), fsync: true };
}

function openDatabase({ path, lockWaitMs }: WorkerOptions): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: lockWaitMs });
  try {
    // Exclusive: the counters in memory are true only while nobody else writes. The lock dies with the process, and
    // the WAL needs no shared memory beside the file.
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA cache_size = -${cacheKibibytes};
      PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA temp_store = MEMORY;
      BEGIN IMMEDIATE; COMMIT;
    `);
    // What a killed process wrote and did not sync is visible now: it must be on disk before anybody reads it.
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function apply(writer: SqliteWriter, { order, cells }: WriteGroup): WriteAnswers {
  const from = new CellReader(cells);
  const answers: (number | OtherAnswer)[] = [];
  for (const write of order) {
    const answer = write === "append" ? writer.append(takeAppend(from)) : writer.rare(write);
    if ("kind" in answer) answers.push(answer);
    else answers.push(...answer);
  }
  return answers;
}

/** Of an extended code the last byte says what failed, the rest where. */
function isInputOutput(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === sqliteInputOutput;
}

function closeQuietly(database: DatabaseSync): void {
  try {
    database.close();
  } catch {
    // The failure that led here is the one to report; the process's end frees the file.
  }
}
