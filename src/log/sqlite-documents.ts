/** The documents of the SQLite log, inside whatever transaction the caller has open. */
import type { DatabaseSync } from "node:sqlite";
import type { DocumentsQuery, PutAnswer, PutDocument, StoredDocument } from "./documents.ts";
import { PreparedStatements } from "./sqlite-prepared.ts";

export class SqliteDocuments {
  readonly #prepared: PreparedStatements;

  constructor(database: DatabaseSync) {
    this.#prepared = new PreparedStatements(database);
  }

  put({ kind, key, value, expected }: PutDocument): PutAnswer {
    const select = this.#prepared.of("SELECT version FROM documents WHERE kind = ? AND key = ?");
    const [version] = (select.get(kind, key) as unknown as [number] | undefined) ?? [0];
    if (expected !== undefined && expected !== version) return { kind: "version_conflict", version };
    if (value === undefined) {
      this.#prepared.of("DELETE FROM documents WHERE kind = ? AND key = ?").run(kind, key);
      return { kind: "written", version: 0 };
    }
    this.#prepared
      .of(
        `INSERT INTO documents (kind, key, value, version) VALUES (?, ?, ?, ?)
         ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, version = excluded.version`,
      )
      .run(kind, key, value, version + 1);
    return { kind: "written", version: version + 1 };
  }

  list({ kind, prefix = "", after = "", limit }: DocumentsQuery): StoredDocument[] {
    // Compared as bytes of UTF-8, which is the order of code points.
    const rows = this.#prepared
      .of(
        `SELECT key, value, version FROM documents
         WHERE kind = ? AND key > ? AND substr(key, 1, ?) = ? ORDER BY key LIMIT ?`,
      )
      .all(kind, after, [...prefix].length, prefix, limit) as unknown as [string, string, number][];
    return rows.map(([key, value, version]) => ({ kind, key, value, version }));
  }
}
