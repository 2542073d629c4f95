/**
 * A SQLite store as the source or the target of a move: opened as its only writer, so that no server has it, and brought to
 * this release's schema as any opening does. As a source it gives what a server would, under the epoch that a server would
 * have; as a target it takes the epoch that it is given.
 */
import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { Epoch } from "../../protocol/ids.ts";
import { InvalidConfig } from "../errors.ts";
import type { StoredDocument } from "./documents.ts";
import { newEpoch } from "./epoch.ts";
import { checkpoint, openDatabase } from "./sqlite-database.ts";
import { EpochMark } from "./sqlite-epoch.ts";
import { failureOf } from "./sqlite-failure.ts";
import { lastRow } from "./sqlite-high-water.ts";
import { SqliteLock } from "./sqlite-lock.ts";
import { fileIdentity } from "./sqlite-mark-file.ts";
import { PreparedStatements } from "./sqlite-prepared.ts";
import { migrate, WrongSchema } from "./sqlite-schema.ts";
import { sqliteTransferReads } from "./sqlite-transfer-read.ts";
import { insertBook, insertEvents } from "./sqlite-transfer-write.ts";
import { type LogSource, type LogTarget, markKey, markKind } from "./transfer.ts";

const lockWaitMs = 200;

/** Fails: InvalidConfig, when there is no such file, another process has it open, or it is no log of ours. */
export function openSqliteSource(path: string): LogSource {
  if (!existsSync(path)) throw new InvalidConfig({ setting: "from", message: `${path} does not exist` });
  return opened(path, "from", (database, lock) => {
    const mark = new EpochMark(path, database, lastRow(database));
    const close = async (): Promise<void> => end(database, lock, mark);
    return { ...sqliteTransferReads(database), epoch: mark.epoch, close };
  });
}

/** Makes the file when it is not there. Fails: InvalidConfig, when another process has it open, or it is no log of ours. */
export function openSqliteTarget(path: string): LogTarget {
  return opened(path, "to", (database, lock) => targetOf(path, database, lock));
}

function opened<Store>(
  path: string,
  setting: "from" | "to",
  use: (database: DatabaseSync, lock: SqliteLock) => Store,
): Store {
  const wrong = (message: string): InvalidConfig => new InvalidConfig({ setting, message: `${path} ${message}` });
  let lock: SqliteLock | undefined;
  let database: DatabaseSync | undefined;
  try {
    lock = new SqliteLock({ path, lockWaitMs });
    database = openDatabase({ path, lockWaitMs });
    migrate(database);
    return use(database, lock);
  } catch (error) {
    database?.close();
    lock?.release();
    const failure = failureOf(error);
    if (failure === "held") throw wrong("is open in another process: stop the server first");
    if (failure === "notADatabase") throw wrong("is not a database");
    if (failure === "cannotOpen") throw wrong("cannot be opened: does its folder exist?");
    if (error instanceof WrongSchema) throw wrong(error.message);
    throw error;
  }
}

function end(database: DatabaseSync, lock: SqliteLock, mark: EpochMark | undefined): void {
  mark?.seal(database);
  const synced = checkpoint(database);
  database.close();
  mark?.close(synced);
  lock.release();
}

function targetOf(path: string, database: DatabaseSync, lock: SqliteLock): LogTarget {
  const prepared = new PreparedStatements(database);
  const value = (text: string, ...values: string[]): unknown =>
    (prepared.of(text).get(...values) as readonly unknown[] | undefined)?.[0];
  let mark: EpochMark | undefined;
  let row = lastRow(database);

  /** Commits do not wait for the disk one by one; what comes after them does. */
  async function inTransaction(sync: "NORMAL" | "FULL", work: () => Promise<void> | void): Promise<void> {
    database.exec(`PRAGMA synchronous = ${sync}; BEGIN IMMEDIATE`);
    try {
      await work();
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
    mark?.committed(row);
  }

  function putDocuments(documents: readonly StoredDocument[]): void {
    const upsert = prepared.of(
      `INSERT INTO documents (kind, key, value, version) VALUES (?, ?, ?, ?)
       ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, version = excluded.version`,
    );
    for (const { kind, key, value: text, version } of documents) upsert.run(kind, key, text, version);
  }

  return {
    ...sqliteTransferReads(database),
    // Until `begin` it has none of its own.
    epoch: newEpoch(),
    close: async () => end(database, lock, mark),
    mark: async () => {
      const found = value("SELECT value FROM documents WHERE kind = ? AND key = ?", markKind, markKey);
      return typeof found === "string" ? found : undefined;
    },
    setMark: (text) =>
      inTransaction("FULL", () => putDocuments([{ kind: markKind, key: markKey, value: text, version: 1 }])),
    isEmpty: async () => value("SELECT EXISTS (SELECT 1 FROM streams) OR EXISTS (SELECT 1 FROM documents)") === 0,
    begin: async (epoch: Epoch) => {
      mark = new EpochMark(path, database, row, fileIdentity, epoch);
    },
    has: async (stream) => value("SELECT 1 FROM streams WHERE key = ?", stream) !== undefined,
    write: (book, pages) =>
      inTransaction("NORMAL", async () => {
        const places = insertBook(prepared, book);
        let last = row;
        for await (const page of pages) last = insertEvents(prepared, book, places, page, last);
        row = last;
      }),
    writeDocuments: (documents) => inTransaction("NORMAL", () => putDocuments(documents)),
    // Numbers go on behind the greatest that is there.
    finish: async () => {},
  };
}
