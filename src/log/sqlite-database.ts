/**
 * Opening the file of the SQLite log. One process writes it: that one holds the lock beside it (`sqlite-lock`). Others
 * may look into it while it is written, with the `sqlite3` command or a backup.
 */
import { closeSync, fsyncSync, openSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** SQLite's own cache of pages: what 1,000 readers of recent events need. */
const cacheKibibytes = 16_000;
/** 16 MiB of WAL before it is copied into the file: pages of the index that many commits touch are copied once. */
const checkpointPages = 4_000;
/** What a WAL is cut to that grew while somebody read: twice what it reaches by itself. */
const maxIdleWalBytes = 32 * 2 ** 20;
/** A reader that helps out while the disk is slow: it reads what is recent, and is seldom asked. */
const helperCacheKibibytes = 2_000;

export interface Opening {
  readonly path: string;
  readonly lockWaitMs: number;
}

/**
 * For the only writer. Everything that can be read is on disk when this returns: what a killed process wrote and did
 * not sync is visible now, and must not be lost again after somebody has read it.
 */
export function openDatabase({ path, lockWaitMs }: Opening): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: lockWaitMs });
  try {
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA cache_size = -${cacheKibibytes};
      PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA journal_size_limit = ${maxIdleWalBytes};
      PRAGMA temp_store = MEMORY;
      BEGIN IMMEDIATE; COMMIT;
    `);
    syncWal(path);
    checkpoint(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

export function openForReading({ path, lockWaitMs }: Opening): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: lockWaitMs });
  database.exec(`PRAGMA cache_size = -${helperCacheKibibytes}; PRAGMA temp_store = MEMORY`);
  return database;
}

/** Copies the WAL into the file, syncs that and empties the WAL. False: another process reads what stands in it. */
export function checkpoint(database: DatabaseSync): boolean {
  return Number(database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"]) === 0;
}

export function walBytes(path: string): number {
  return statSync(walPath(path), { throwIfNoEntry: false })?.size ?? 0;
}

/** A checkpoint syncs the WAL only when it may copy something, which another process's reader can prevent. */
function syncWal(path: string): void {
  if (walBytes(path) === 0) return;
  const wal = openSync(walPath(path), "r");
  try {
    fsyncSync(wal);
  } finally {
    closeSync(wal);
  }
}

const walPath = (path: string) => `${path}-wal`;
