/** The statements of `sqlite-writer`, prepared once: the same few run for every append. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { insertRun, selectRuns } from "./sqlite-run-row.ts";

const statements = {
  selectStream: "SELECT id, head, oldest FROM streams WHERE key = ?",
  insertStream: "INSERT INTO streams (key) VALUES (?)",
  updateStream: "UPDATE streams SET head = ? WHERE id = ?",
  fillStream: "UPDATE streams SET head = ?, oldest = ? WHERE id = ?",
  raiseAcked: "UPDATE streams SET acked = ? WHERE id = ? AND acked < ?",
  selectRun: `${selectRuns} WHERE r.tenant = ? AND r.run_id = ?`,
  selectChild: "SELECT id FROM runs WHERE stream = ? AND ended IS NULL AND parent_run_id = ? LIMIT 1",
  insertRun,
  moveRun: "UPDATE runs SET seq = ?, last_offset = ? WHERE id = ?",
  changeRun: "UPDATE runs SET seq = ?, last_offset = ?, fence = ?, ended = ?, compact_at = ? WHERE id = ?",
  insertChunk: `INSERT INTO events (row, stream, first_offset, last_offset, run, first_seq, meta, data, crc)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  selectKey: "SELECT digest, seq, offset FROM keys WHERE owner = ? AND name = ?",
  insertKey: "INSERT INTO keys (owner, name, digest, seq, offset) VALUES (?, ?, ?, ?, ?)",
  insertApproval: "INSERT INTO approvals (tenant, approval_id, run) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  upsertCursor: `INSERT INTO cursors (stream, device, offset) VALUES (?, ?, ?)
    ON CONFLICT (stream, device) DO UPDATE SET offset = excluded.offset WHERE excluded.offset > cursors.offset`,
  probe: "INSERT INTO meta (name, value) VALUES ('probe', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
} as const;

export type WriteStatements = Readonly<Record<keyof typeof statements, StatementSync>>;

/** Prepares them all, giving rows as arrays. */
export function prepareWrites(database: DatabaseSync): WriteStatements {
  const prepared = (Object.entries(statements) as [keyof WriteStatements, string][]).map(([name, sql]) => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return [name, statement] as const;
  });
  return Object.fromEntries(prepared) as Record<keyof WriteStatements, StatementSync>;
}
