/** The reads of the SQLite log, served between two commits: what they see is committed. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { RunId, Seq, StreamKey, TenantId } from "../../protocol/ids.ts";
import type { KnownKey, ReadLimit, RunRecord, RunsQuery, StoredEvent } from "./event-log.ts";
import { runsPage } from "./runs-page.ts";
import { type Cell, putStored } from "./sqlite-cells.ts";
import { SqliteEvents } from "./sqlite-events.ts";
import type { SqliteReads } from "./sqlite-messages.ts";
import { type RunRow, selectRuns, takeRun } from "./sqlite-run-row.ts";

/** A ledger over all streams is taken in parts, so that commits go on between them. */
const rowsPerLedgerPart = 50_000;

interface StreamRow {
  readonly id: number;
  readonly first: number;
  readonly head: number;
}

export class SqliteReader implements SqliteReads {
  readonly #database: DatabaseSync;
  readonly #events: SqliteEvents;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#events = new SqliteEvents(database);
  }

  position(key: StreamKey) {
    const { first, head } = this.#stream(key);
    return { first, head };
  }

  read(key: StreamKey, after: number, limit: ReadLimit) {
    const { id, first, head } = this.#stream(key);
    const range = { id, key, from: Math.max(after + 1, first), upto: head };
    const { events, broken, missing } = this.#events.range(range, limit);
    if (broken.length + missing.length > 0) this.#bury(id, broken, missing);
    return { first, head, cells: cellsOf(events), corrupt: [...broken, ...missing].toSorted((a, b) => a - b) };
  }

  living(key: StreamKey) {
    const { id, first, head } = this.#stream(key);
    const rows = this.#sql(`${selectRuns} WHERE r.stream = ? AND r.ended IS NULL ORDER BY r.id`).all(id);
    return { first, head, runs: rows.map((row) => takeRun(row).record) };
  }

  run(tenantId: TenantId, runId: RunId): RunRecord | undefined {
    return this.#run(tenantId, runId)?.record;
  }

  runs(query: RunsQuery, before: number | undefined) {
    const wanted: [condition: string, ...values: (string | number)[]][] = [];
    if (before !== undefined) wanted.push(["r.id < ?", before]);
    if (query.tenantId !== undefined) wanted.push(["r.tenant = ?", query.tenantId]);
    if (query.stream !== undefined) wanted.push(["r.stream = ?", this.#stream(query.stream).id]);
    if (query.living !== undefined) wanted.push([query.living ? "r.ended IS NULL" : "r.ended IS NOT NULL"]);
    const where = wanted.length === 0 ? "" : `WHERE ${wanted.map(([condition]) => condition).join(" AND ")}`;
    const values = wanted.flatMap(([, ...some]) => some);
    const rows = this.#sql(`${selectRuns} ${where} ORDER BY r.id DESC LIMIT ?`).all(...values, query.limit + 1);
    const found = rows.map((row) => {
      const { id, record } = takeRun(row);
      return { place: id, record };
    });
    const { page, next } = runsPage(found, query.limit);
    return { runs: page.map(({ record }) => record), next };
  }

  readRun(tenantId: TenantId, runId: RunId, afterSeq: Seq, limit: ReadLimit): Cell[] {
    const run = this.#run(tenantId, runId);
    if (run === undefined) return [];
    const { stream: key, firstOffset, lastOffset } = run.record;
    // Every event takes an offset, so the one with seq s stands at firstOffset + s - 1 or behind it.
    const from = firstOffset + Math.max(afterSeq, 0);
    const range = { id: run.stream, key, from, upto: lastOffset };
    return cellsOf(this.#events.ofRun(run.id, range, (seq) => seq <= afterSeq, limit));
  }

  knownKeys(owner: Parameters<SqliteReads["knownKeys"]>[0], names: readonly string[]): Map<string, KnownKey> {
    const id = "runId" in owner ? this.#run(owner.tenantId, owner.runId)?.id : -this.#stream(owner.stream).id;
    const known = new Map<string, KnownKey>();
    if (id === undefined) return known;
    const select = this.#sql("SELECT digest, seq, offset FROM keys WHERE owner = ? AND name = ?");
    for (const name of names) {
      const found = select.get(id, name);
      if (found === undefined) continue;
      const [digest, seq, offset] = found as unknown as [string, number, number];
      known.set(name, { digest, seq, offset });
    }
    return known;
  }

  approval(tenantId: TenantId, approvalId: string, stream: StreamKey | undefined): RunRecord | undefined {
    const opened = `${selectRuns} JOIN approvals a ON a.run = r.id WHERE a.tenant = ? AND a.approval_id = ?`;
    const newest = "ORDER BY r.id DESC LIMIT 1";
    // The plus keeps SQLite on the approval's own key: the owner's runs may be many.
    const found =
      stream === undefined
        ? this.#sql(`${opened} ${newest}`).get(tenantId, approvalId)
        : this.#sql(`${opened} AND +s.key = ? ${newest}`).get(tenantId, approvalId, stream);
    return found === undefined ? undefined : takeRun(found).record;
  }

  cursor(key: StreamKey, device: string): number {
    const found = this.#sql("SELECT offset FROM cursors WHERE stream = ? AND device = ?").get(
      this.#stream(key).id,
      device,
    );
    return found === undefined ? 0 : (found as unknown as [number])[0];
  }

  ledger(key: StreamKey | undefined, from: number) {
    const only = key === undefined ? "" : "AND key = ?";
    const select = this.#sql(`SELECT id, head, acked FROM streams WHERE id > ? ${only} ORDER BY id`);
    const count = { accepted: 0, acked: 0, stored: 0, deadLettered: 0 };
    for (const row of select.iterate(...(key === undefined ? [from] : [from, key]))) {
      const [id, head, acked] = row as unknown as [number, number, number];
      const lost = this.#lost(id, acked);
      const rowsAcked = this.#countRows(id, 0, acked) - lost.ackedRows;
      count.accepted += head;
      count.acked += rowsAcked;
      count.stored += this.#countRows(id, acked + 1, head) - lost.storedRows;
      count.deadLettered += lost.all;
      if (count.accepted >= rowsPerLedgerPart) return { ...count, next: id };
    }
    return { ...count, next: null };
  }

  #countRows(stream: number, from: number, upto: number): number {
    const select = this.#sql("SELECT count(*) FROM events WHERE stream = ? AND offset BETWEEN ? AND ?");
    return (select.get(stream, from, upto) as unknown as [number])[0];
  }

  /** Dead letters, and how many of them still have a row on each side of `acked`. */
  #lost(stream: number, acked: number) {
    const select = this.#sql(
      `SELECT count(*), coalesce(sum(in_table AND offset <= ?), 0), coalesce(sum(in_table AND offset > ?), 0)
       FROM dead_letters WHERE stream = ?`,
    );
    const [all, ackedRows, storedRows] = select.get(acked, acked, stream) as unknown as [number, number, number];
    return { all, ackedRows, storedRows };
  }

  #bury(stream: number, broken: readonly number[], missing: readonly number[]): void {
    const insert = this.#sql(
      "INSERT INTO dead_letters (stream, offset, in_table) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    );
    try {
      this.#database.exec("BEGIN");
      for (const offset of broken) insert.run(stream, offset, 1);
      for (const offset of missing) insert.run(stream, offset, 0);
      this.#database.exec("COMMIT");
    } catch {
      // A full disk must not stop a read. The next one finds them again, and until then the ledger shows a difference.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    }
  }

  #stream(key: StreamKey): StreamRow {
    const found = this.#sql("SELECT id, first, head FROM streams WHERE key = ?").get(key);
    if (found === undefined) return { id: 0, first: 1, head: 0 };
    const [id, first, head] = found as unknown as [number, number, number];
    return { id, first, head };
  }

  #run(tenantId: TenantId, runId: RunId): RunRow | undefined {
    const found = this.#sql(`${selectRuns} WHERE r.tenant = ? AND r.run_id = ?`).get(tenantId, runId);
    return found === undefined ? undefined : takeRun(found);
  }

  /** Prepared at first use; the texts are few and fixed. */
  #sql(text: string): StatementSync {
    let statement = this.#prepared.get(text);
    if (statement === undefined) {
      statement = this.#database.prepare(text);
      statement.setReturnArrays(true);
      this.#prepared.set(text, statement);
    }
    return statement;
  }
}

function cellsOf(events: readonly StoredEvent[]): Cell[] {
  const cells: Cell[] = [];
  for (const event of events) putStored(cells, event);
  return cells;
}
