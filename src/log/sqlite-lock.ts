/**
 * The lock that makes one process the writer of a store: held on `<store>.lock` for as long as the process has the store
 * open, and gone with it however it ends. It is not on the store itself, so that others can read and back up that.
 */
import { realpathSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Opening } from "./sqlite-database.ts";

export class SqliteLock {
  readonly #path: string;
  readonly #database: DatabaseSync;

  /** Fails: SQLite's errors, `held` while another process has it. */
  constructor({ path, lockWaitMs }: Opening) {
    this.#path = `${realPath(path)}.lock`;
    // SQLite is the only one here that can lock a file on every system. Nothing is ever written to this one.
    this.#database = new DatabaseSync(this.#path, { timeout: lockWaitMs });
    try {
      this.#database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  release(): void {
    this.#database.close();
  }

  /** For a store that turned out to be none: nothing is left beside it. */
  remove(): void {
    rmSync(this.#path, { force: true });
    this.release();
  }
}

/** The same file under another name is the same store. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
