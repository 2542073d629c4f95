/**
 * The store of the SQLite log: one file, one writer, one transaction per group (L6). It lives in `sqlite-worker`, the
 * only thread that writes the file, because every call here may wait for the disk.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Epoch } from "../../protocol/ids.ts";
import { CellReader, takeAppend } from "./sqlite-cells.ts";
import { checkpoint, openDatabase, walBytes } from "./sqlite-database.ts";
import { EpochMark } from "./sqlite-epoch.ts";
import { failureOf } from "./sqlite-failure.ts";
import { SqliteLock } from "./sqlite-lock.ts";
import type { Identify } from "./sqlite-mark-file.ts";
import type { OtherAnswer, WorkerOptions, WriteAnswers, WriteGroup } from "./sqlite-messages.ts";
import { SqliteReader } from "./sqlite-reader.ts";
import { lastRow } from "./sqlite-high-water.ts";
import { migrate, WrongSchema } from "./sqlite-schema.ts";
import { SqliteWriter } from "./sqlite-writer.ts";

/** How long a write waits for another process while the one before it has waited in vain: others wait behind it. */
const shortWaitMs = 100;

interface Open {
  readonly database: DatabaseSync;
  writer: SqliteWriter;
  readonly reader: SqliteReader;
  /** What `PRAGMA synchronous` stands at. */
  fsync: boolean;
  readonly selectVersion: StatementSync;
  /** Changes when another process has written to the file. */
  version: number;
}

export class SqliteStore {
  readonly #options: Omit<WorkerOptions, "role">;
  readonly #lock: SqliteLock;
  readonly #mark: EpochMark;
  #open: Open;
  /** After a failed sync nobody knows what the disk has: only a file that was opened and copied anew is written to. */
  #isSuspect = false;
  /** Another process holds the file, and a write has waited for it. */
  #isHeld = false;

  /** Fails: WrongSchema; SQLite's errors when the file is held by somebody else or is not a database. */
  constructor(options: Omit<WorkerOptions, "role">, identify?: Identify) {
    this.#options = options;
    this.#lock = new SqliteLock(options);
    let database: DatabaseSync | undefined;
    try {
      database = openDatabase(options);
      migrate(database);
      this.#mark = new EpochMark(options.path, database, lastRow(database), identify);
      this.#open = parts(database);
    } catch (error) {
      database?.close();
      if (error instanceof WrongSchema || failureOf(error) === "notADatabase") this.#lock.remove();
      else this.#lock.release();
      throw error;
    }
  }

  get epoch(): Epoch {
    return this.#mark.epoch;
  }

  /** Also after a failure: what it shows was synced before. */
  get reader(): SqliteReader {
    return this.#open.reader;
  }

  get walBytes(): number {
    return walBytes(this.#options.path);
  }

  /**
   * All of the group or nothing. Fails with SQLite's errors: nothing was written when the disk is full or another process
   * holds the file; what another failed commit came to is unknown.
   */
  write(group: WriteGroup): WriteAnswers {
    if (this.#isSuspect) this.#openAnew();
    const open = this.#open;
    try {
      this.#setDurability(open, group);
      open.database.exec("BEGIN IMMEDIATE");
      meetForeignWrites(open);
      const answers = apply(open.writer, group);
      open.writer.flush();
      open.database.exec("COMMIT");
      open.writer.committed();
      if (this.#isHeld) this.#wait(open, false);
      this.#mark.committed(open.writer.row);
      this.#sealMark();
      return answers;
    } catch (error) {
      this.#recover(open, error);
      throw error;
    }
  }

  close(): void {
    let synced = false;
    try {
      if (!this.#isSuspect) this.#mark.seal(this.#open.database);
      synced = !this.#isSuspect && checkpoint(this.#open.database);
    } catch {
      // What was acknowledged stands in the WAL; the next opening copies it.
    }
    closeQuietly(this.#open.database);
    try {
      this.#mark.close(synced);
    } finally {
      this.#lock.release();
    }
  }

  #wait(open: Open, isHeld: boolean): void {
    const { lockWaitMs } = this.#options;
    this.#isHeld = isHeld;
    open.database.exec(`PRAGMA busy_timeout = ${isHeld ? Math.min(shortWaitMs, lockWaitMs) : lockWaitMs}`);
  }

  /** What was committed before it is committed, whatever comes of it. */
  #sealMark(): void {
    if (!this.#mark.isOld) return;
    try {
      this.#open.fsync = true;
      this.#mark.seal(this.#open.database);
    } catch (error) {
      if (failureOf(error) === "inputOutput") this.#isSuspect = true;
    }
  }

  /** Counters that a failed transaction moved are dropped with their writer. */
  #recover(open: Open, error: unknown): void {
    // Else a full disk, for one: reads go on, and so do writes once there is room.
    if (failureOf(error) === "inputOutput") this.#isSuspect = true;
    try {
      if (open.database.isTransaction) open.database.exec("ROLLBACK");
      if (failureOf(error) === "held") this.#wait(open, true);
      if (!this.#isSuspect) open.writer = new SqliteWriter(open.database);
    } catch {
      this.#isSuspect = true;
    }
  }

  /**
   * The old connection stays until the new one is proven, and goes on answering reads: while one is open, nobody takes
   * what the failed commit left in the WAL for written.
   */
  #openAnew(): void {
    const database = openDatabase(this.#options);
    try {
      if (!checkpoint(database)) throw new Error(`another process reads ${this.#options.path} since its disk failed`);
      if (!this.#mark.holds(database)) throw new Error(`${this.#options.path} was replaced`);
    } catch (error) {
      database.close();
      throw error;
    }
    closeQuietly(this.#open.database);
    this.#open = parts(database);
    this.#isSuspect = false;
  }

  #setDurability(open: Open, group: WriteGroup): void {
    if (group.fsync !== open.fsync) {
      // It cannot change within a transaction.
      open.database.exec(`PRAGMA synchronous = ${group.fsync ? "FULL" : "NORMAL"}`);
      open.fsync = group.fsync;
    }
    if (!group.fsync && group.order.includes("append")) this.#mark.beforeUnsynced();
  }
}

function parts(database: DatabaseSync): Open {
  const selectVersion = database.prepare("PRAGMA data_version");
  selectVersion.setReturnArrays(true);
  const [writer, reader] = [new SqliteWriter(database), new SqliteReader(database)];
  return { database, writer, reader, fsync: true, selectVersion, version: versionOf(selectVersion) };
}

const versionOf = (select: StatementSync) => (select.get() as unknown as [number])[0];

/** Nobody else should write; when somebody has, the counters in memory are not true any more. */
function meetForeignWrites(open: Open): void {
  const version = versionOf(open.selectVersion);
  if (version === open.version) return;
  open.version = version;
  open.writer = new SqliteWriter(open.database);
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

function closeQuietly(database: DatabaseSync): void {
  try {
    database.close();
  } catch {
    // The failure that led here is the one to report; the process's end frees the file.
  }
}
