/** The outbox of the SQLite log, inside whatever transaction the caller has open. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { asRunId, asUserId, type Offset, type StreamKey, streamKey } from "../../protocol/ids.ts";
import type { MoveOutbox, OutboxMoved, OutboxPage, OutboxQuery, OutboxRow, OutboxState } from "./outbox.ts";
import { runsPage } from "./runs-page.ts";
import type { PackedEscalation } from "./sqlite-cells.ts";
import { PreparedStatements } from "./sqlite-prepared.ts";

export type OutboxColumns = [
  id: number,
  key: string,
  offset: number,
  eventId: string,
  type: string,
  runId: string | null,
  threadId: string | null,
  time: string,
  state: OutboxState,
  note: string,
  version: number,
];

export const selectOutbox = `SELECT o.id, s.key, o.offset, o.event_id, o.type, o.run_id, o.thread, o.time, o.state, o.note,
  o.version FROM outbox o JOIN streams s ON s.id = o.stream`;

export class SqliteOutbox {
  readonly #prepared: PreparedStatements;
  /** Ids are never given twice in one process: a page that was read stays behind what is written after it. */
  #lastId: number;
  /** Most stores never hold a row: then an ack looks for none. */
  #mayHoldRows: boolean;

  constructor(database: DatabaseSync) {
    this.#prepared = new PreparedStatements(database);
    const [last] = this.#sql("SELECT coalesce(max(id), 0) FROM outbox").get() as unknown as [number];
    this.#lastId = last;
    this.#mayHoldRows = last > 0;
  }

  /** `before`: the offset before the first of the append. */
  add(stream: number, before: Offset, runId: string | undefined, escalations: readonly PackedEscalation[]): void {
    for (const { index, id, type, time, threadId } of escalations) {
      this.#mayHoldRows = true;
      this.#sql(
        `INSERT INTO outbox (id, stream, offset, event_id, type, run_id, thread, time, state, note, version)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', '', 1)`,
      ).run(++this.#lastId, stream, before + 1 + index, id, type, runId ?? null, threadId ?? null, time);
    }
  }

  /** `stream`: the number of the query's stream. */
  page({ tenantId, states, limit }: OutboxQuery, stream: number | undefined, after: number | undefined): OutboxPage {
    const wanted: [condition: string, ...values: (string | number)[]][] = [["o.id > ?", after ?? 0]];
    if (tenantId !== undefined) {
      // How the keys of all its streams begin, and of no other's.
      const prefix = streamKey(tenantId, asUserId(""));
      wanted.push(["substr(s.key, 1, ?) = ?", [...prefix].length, prefix]);
    }
    if (stream !== undefined) wanted.push(["o.stream = ?", stream]);
    if (states !== undefined) wanted.push([`o.state IN (${states.map(() => "?").join(", ")})`, ...states]);
    // What is told stays for the whole retention: who asks for the rest must not walk over it.
    if (states?.includes("told") === false) wanted.push(["o.state <> 'told'"]);
    const where = wanted.map(([condition]) => condition).join(" AND ");
    const values = wanted.flatMap(([, ...some]) => some);
    const rows = this.#sql(`${selectOutbox} WHERE ${where} ORDER BY o.id LIMIT ?`).all(...values, limit + 1);
    const found = (rows as unknown as OutboxColumns[]).map((row) => ({ place: row[0], row: outboxRowOf(row) }));
    const { page, next } = runsPage(found, limit);
    return { rows: page.map(({ row }) => row), next };
  }

  move({ stream: key, offset, version, to, note, unlessAcked }: MoveOutbox): OutboxMoved {
    const found = this.#sql(`${selectOutbox} WHERE s.key = ? AND o.offset = ?`).get(key, offset);
    const row = found === undefined ? undefined : outboxRowOf(found as unknown as OutboxColumns);
    if (row?.version !== version) return { kind: "version_conflict", row };
    const [id] = found as unknown as OutboxColumns;
    if (unlessAcked === true && this.#isAcked(key, offset)) {
      this.#remove(id);
      return { kind: "acked" };
    }
    if (to === undefined) {
      this.#remove(id);
      return { kind: "moved", row: undefined };
    }
    const moved = { ...row, state: to, note: note ?? row.note, version: version + 1 };
    const update = this.#sql("UPDATE outbox SET state = ?, note = ?, version = ? WHERE id = ?");
    update.run(moved.state, moved.note, moved.version, id);
    return { kind: "moved", row: moved };
  }

  acked(stream: number, upto: Offset): void {
    if (!this.#mayHoldRows) return;
    this.#sql("DELETE FROM outbox WHERE stream = ? AND offset <= ? AND state IN ('waiting', 'exhausted')").run(
      stream,
      upto,
    );
  }

  #isAcked(key: StreamKey, offset: Offset): boolean {
    const [acked] = this.#sql("SELECT acked FROM streams WHERE key = ?").get(key) as unknown as [number];
    return acked >= offset;
  }

  #remove(id: number): void {
    this.#sql("DELETE FROM outbox WHERE id = ?").run(id);
  }

  #sql(text: string): StatementSync {
    return this.#prepared.of(text);
  }
}

export function outboxRowOf([
  ,
  key,
  offset,
  eventId,
  type,
  runId,
  threadId,
  time,
  state,
  note,
  version,
]: OutboxColumns): OutboxRow {
  return {
    ...{ stream: key as StreamKey, offset, eventId, type, runId: runId === null ? undefined : asRunId(runId) },
    ...{ threadId: threadId ?? undefined, time, state, note, version },
  };
}
