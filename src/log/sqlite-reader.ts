/** The reads of the SQLite log, served between two commits: what they see is committed. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { RunId, Seq, StreamKey, TenantId } from "../../protocol/ids.ts";
import type { DeadLettersQuery } from "./dead-letter.ts";
import type { KnownKey, ReadLimit, RunRecord, RunsQuery } from "./event-log.ts";
import { runsPage } from "./runs-page.ts";
import type { DocumentsQuery, StoredDocument } from "./documents.ts";
import { SqliteDocuments } from "./sqlite-documents.ts";
import type { OutboxQuery } from "./outbox.ts";
import { SqliteOutbox } from "./sqlite-outbox.ts";
import { PreparedStatements } from "./sqlite-prepared.ts";
import type { Cell } from "./sqlite-cells.ts";
import { SqliteEvents } from "./sqlite-events.ts";
import { SqliteLetters } from "./sqlite-letters.ts";
import type { SqliteReads } from "./sqlite-messages.ts";
import { type RunRow, selectRuns, takeRun } from "./sqlite-run-row.ts";

/** A ledger over all streams is taken in parts, so that commits go on between them. */
const eventsPerLedgerPart = 50_000;

/** Names the index: SQLite would rather walk over all runs that ever were, in the order that was asked for. */
const isLivingAnywhere = "r.id IN (SELECT id FROM runs INDEXED BY runs_living WHERE ended IS NULL)";

interface StreamRow {
  readonly id: number;
  readonly first: number;
  readonly head: number;
}

export class SqliteReader implements SqliteReads {
  readonly #events: SqliteEvents;
  readonly #letters: SqliteLetters;
  readonly #documents: SqliteDocuments;
  readonly #outbox: SqliteOutbox;
  readonly #prepared: PreparedStatements;

  constructor(database: DatabaseSync) {
    this.#prepared = new PreparedStatements(database);
    this.#events = new SqliteEvents(database);
    this.#letters = new SqliteLetters(database);
    this.#documents = new SqliteDocuments(database);
    this.#outbox = new SqliteOutbox(database);
  }

  position(key: StreamKey) {
    const { first, head } = this.#stream(key);
    return { first, head };
  }

  read(key: StreamKey, after: number, limit: ReadLimit) {
    const { id, first, head } = this.#stream(key);
    const range = { id, key, from: Math.max(after + 1, first), upto: head };
    const { cells, corrupt, dead } = this.#events.range(range, limit);
    if (dead.length > 0) this.#letters.buryLost(id, key, dead);
    return { first, head, cells, corrupt };
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
    const place = query.stream === undefined ? "r.id" : "r.first_offset";
    if (before !== undefined) wanted.push([`${place} < ?`, before]);
    if (query.tenantId !== undefined) wanted.push(["r.tenant = ?", query.tenantId]);
    if (query.stream !== undefined) wanted.push(["r.stream = ?", this.#stream(query.stream).id]);
    if (query.living === true) wanted.push([query.stream === undefined ? isLivingAnywhere : "r.ended IS NULL"]);
    if (query.living === false) wanted.push(["r.ended IS NOT NULL"]);
    const where = wanted.length === 0 ? "" : `WHERE ${wanted.map(([condition]) => condition).join(" AND ")}`;
    const values = wanted.flatMap(([, ...some]) => some);
    const rows = this.#sql(`${selectRuns} ${where} ORDER BY ${place} DESC LIMIT ?`).all(...values, query.limit + 1);
    const found = rows.map((row) => {
      const { id, record } = takeRun(row);
      return { place: query.stream === undefined ? id : record.firstOffset, record };
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
    return this.#events.ofRun(run.id, range, afterSeq + 1, limit);
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

  documents(query: DocumentsQuery): StoredDocument[] {
    return this.#documents.list(query);
  }

  outbox(query: OutboxQuery, after: number | undefined) {
    return this.#outbox.page(query, query.stream === undefined ? undefined : this.#stream(query.stream).id, after);
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

  deadLetters(query: DeadLettersQuery, before: number | undefined) {
    const stream = query.stream === undefined ? undefined : this.#stream(query.stream).id;
    return this.#letters.page(query, stream, before);
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
    const select = this.#sql(`SELECT id, first, head, acked, dead FROM streams WHERE id > ? ${only} ORDER BY id`);
    const count = { accepted: 0, acked: 0, stored: 0, deadLettered: 0 };
    for (const row of select.iterate(...(key === undefined ? [from] : [from, key]))) {
      const [id, first, head, acked, dead] = row as unknown as [number, number, number, number, number];
      const counted = this.#countSound(id, first, head, acked);
      count.accepted += head;
      // What retention took was acknowledged, or it is counted in `dead`.
      count.acked += first - 1 - dead + counted.acked;
      count.stored += counted.all - counted.acked;
      count.deadLettered += dead + this.#countDead(id);
      if (count.accepted >= eventsPerLedgerPart) return { ...count, next: id };
    }
    return { ...count, next: null };
  }

  /** Events in rows that are not known to be broken, and how many of them are acknowledged. */
  #countSound(
    stream: number,
    first: number,
    head: number,
    acked: number,
  ): { readonly all: number; readonly acked: number } {
    const select = this.#sql(
      `SELECT coalesce(sum(last_offset + 1 - first_offset), 0),
         coalesce(sum(max(min(last_offset, ?) + 1 - first_offset, 0)), 0)
       FROM events e WHERE stream = ? AND last_offset BETWEEN ? AND ?
         AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.stream = e.stream AND d.offset = e.last_offset)`,
    );
    const [all, ackedOfThem] = select.get(acked, stream, first, head) as unknown as [number, number];
    return { all, acked: ackedOfThem };
  }

  #countDead(stream: number): number {
    const select = this.#sql("SELECT count(*) FROM dead_letters WHERE stream = ?");
    return (select.get(stream) as unknown as [number])[0];
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

  #sql(text: string): StatementSync {
    return this.#prepared.of(text);
  }
}
