/** The dead letters of the SQLite log: written where something died, paged for an operator, gone when they are old. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { asRunId, asTenantId, type StreamKey } from "../../protocol/ids.ts";
import { systemClock } from "../platform/clock.ts";
import type { DeadLetter, DeadLettersPage, DeadLettersQuery, LostRange } from "./dead-letter.ts";
import { corruptLetter, rangesOf } from "./lost-offsets.ts";
import { isNextOf } from "./retire-rules.ts";
import { runsPage } from "./runs-page.ts";

const insertLetter = `INSERT INTO letters
  (kind, stream, tenant, run_id, type, data, from_offset, upto_offset, events, reason, time)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export type LetterColumns = [
  id: number,
  kind: DeadLetter["kind"],
  key: string,
  tenant: string,
  runId: string | null,
  type: string | null,
  data: string | null,
  from: number | null,
  upto: number | null,
  events: number | null,
  reason: string,
  time: string,
];

export const selectLetters = `SELECT l.id, l.kind, s.key, l.tenant, l.run_id, l.type, l.data, l.from_offset, l.upto_offset,
  l.events, l.reason, l.time FROM letters l JOIN streams s ON s.id = l.stream`;

export class SqliteLetters {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = database.prepare(insertLetter);
  }

  bury(stream: number, letter: DeadLetter): void {
    const { kind, tenantId, reason, time } = letter;
    const what =
      letter.kind === "quarantined"
        ? ([letter.runId, letter.type, letter.data, null, null, null] as const)
        : ([null, null, null, letter.from, letter.upto, letter.events] as const);
    this.#insert.run(kind, stream, tenantId, ...what, reason, time);
  }

  /** What retention took unread: it may go on where the stream's last such letter stops. */
  buryRetired(stream: number, range: LostRange): void {
    const select = this.#database.prepare(
      `SELECT id, from_offset, upto_offset, events, time FROM letters WHERE stream = ? AND kind = 'retired'
       ORDER BY id DESC LIMIT 1`,
    );
    select.setReturnArrays(true);
    const found = select.get(stream) as unknown as [number, number, number, number, string] | undefined;
    const [id, from, upto, events, time] = found ?? [0, 0, 0, 0, ""];
    if (found === undefined || !isNextOf({ upto, time }, range))
      return this.bury(stream, { kind: "retired", ...range });
    this.#database.prepare("DELETE FROM letters WHERE id = ?").run(id);
    this.bury(stream, { kind: "retired", ...range, from, events: events + range.events });
  }

  /** Offsets without a sound record, ascending, as a read found them: those that were not known are named. */
  buryLost(stream: number, key: StreamKey, offsets: readonly number[]): void {
    // The thread that only reads is within its own transaction, and leaves it to the writer's.
    if (this.#database.isTransaction) return;
    const insert = this.#database.prepare(
      "INSERT INTO dead_letters (stream, offset) VALUES (?, ?) ON CONFLICT DO NOTHING",
    );
    try {
      this.#database.exec("BEGIN");
      const found = offsets.filter((offset) => Number(insert.run(stream, offset).changes) > 0);
      const time = new Date(systemClock.now()).toISOString();
      for (const range of rangesOf(found)) this.bury(stream, corruptLetter(key, range, time));
      this.#database.exec("COMMIT");
    } catch {
      // A full disk must not stop a read. The next one finds them again, and until then the ledger shows a difference.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    }
  }

  /** `stream`: the number of the query's stream. */
  page(query: DeadLettersQuery, stream: number | undefined, before: number | undefined): DeadLettersPage {
    const wanted: [condition: string, value: string | number][] = [];
    if (before !== undefined) wanted.push(["l.id < ?", before]);
    if (query.tenantId !== undefined) wanted.push(["l.tenant = ?", query.tenantId]);
    if (stream !== undefined) wanted.push(["l.stream = ?", stream]);
    if (query.runId !== undefined) wanted.push(["l.run_id = ?", query.runId]);
    const where = wanted.length === 0 ? "" : `WHERE ${wanted.map(([condition]) => condition).join(" AND ")}`;
    const select = this.#database.prepare(`${selectLetters} ${where} ORDER BY l.id DESC LIMIT ?`);
    select.setReturnArrays(true);
    const rows = select.all(...wanted.map(([, value]) => value), query.limit + 1) as unknown as LetterColumns[];
    const { page, next } = runsPage(
      rows.map((row) => ({ place: row[0], letter: letterOf(row) })),
      query.limit,
    );
    return { entries: page.map(({ letter }) => letter), next };
  }

  /** Deletes the oldest of those from before a moment, and says how many. */
  forget(before: string, limit: number): number {
    const oldest = "SELECT id FROM letters ORDER BY id LIMIT ?";
    const remove = this.#database.prepare(`DELETE FROM letters WHERE id IN (${oldest}) AND time < ?`);
    return Number(remove.run(limit, before).changes);
  }
}

export function letterOf([
  ,
  kind,
  key,
  tenant,
  runId,
  type,
  data,
  from,
  upto,
  events,
  reason,
  time,
]: LetterColumns): DeadLetter {
  const whose = { stream: key as StreamKey, tenantId: asTenantId(tenant), reason, time };
  if (kind === "quarantined") {
    return { kind, ...whose, runId: asRunId(runId ?? ""), type: type ?? "", data: data ?? "" };
  }
  return { kind, ...whose, from: from ?? 0, upto: upto ?? 0, events: events ?? 0 };
}
