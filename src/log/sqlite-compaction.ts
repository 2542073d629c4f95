/**
 * Compaction in the SQLite log, inside the writer's transaction: the rows of a run that has ended, where they stand side
 * by side, become chunks, and its neighbouring deltas one (`merged-delta`). Broken rows stay as they are.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { asRunId, type RunId } from "../../protocol/ids.ts";
import type { Compact, Compacted } from "./housekeeping.ts";
import { coverOf, joinDeltas, type Kept } from "./merged-delta.ts";
import { checksum } from "./sqlite-checksum.ts";
import { packChunk, unpackChunk } from "./chunk.ts";
import { SqliteEvents } from "./sqlite-events.ts";

/** A row with more than that is a chunk of its own already. */
const maxRowBytes = 32 * 1_024;

/** Of one run in one slice at least, whatever is left of it: rows that are looked at one by one join to nothing. */
const minRows = 128;

interface DueRun {
  readonly id: number;
  readonly stream: number;
  readonly key: string;
  readonly runId: RunId;
  /** Both inclusive: what is left to do. */
  readonly from: number;
  readonly upto: number;
}

/** Rows of one run side by side. */
interface Group {
  readonly rows: number[];
  readonly kept: Kept[];
  readonly firstOffset: number;
  readonly firstSeq: number;
  lastOffset: number;
}

export class SqliteCompaction {
  readonly #events: SqliteEvents;
  readonly #insertChunk: StatementSync;
  readonly #selectDue: StatementSync;
  readonly #selectRows: StatementSync;
  readonly #deleteRow: StatementSync;
  readonly #moveRun: StatementSync;

  constructor(database: DatabaseSync, insertChunk: StatementSync) {
    this.#events = new SqliteEvents(database);
    this.#insertChunk = insertChunk;
    this.#selectDue = database.prepare(
      `SELECT r.id, r.stream, s.key, r.run_id, max(r.first_offset, r.compacted + 1), r.last_offset
       FROM runs r JOIN streams s ON s.id = r.stream WHERE r.compact_at < ? ORDER BY r.compact_at LIMIT 1`,
    );
    // The size comes out of the row's head: a big row is not read for it.
    this.#selectRows = database.prepare(
      `SELECT row, run, last_offset, octet_length(data) FROM events WHERE stream = ? AND last_offset BETWEEN ? AND ?
       ORDER BY last_offset LIMIT ?`,
    );
    this.#deleteRow = database.prepare("DELETE FROM events WHERE row = ?");
    this.#moveRun = database.prepare(
      "UPDATE runs SET compacted = ?, compact_at = iif(?, NULL, compact_at) WHERE id = ?",
    );
    for (const statement of [this.#selectDue, this.#selectRows]) statement.setReturnArrays(true);
  }

  slice({ endedBefore, maxEvents }: Compact): Compacted {
    let left = maxEvents;
    let merged = 0;
    while (left > 0) {
      const due = this.#nextDue(endedBefore);
      if (due === undefined) return { merged, more: false };
      const done = this.#compact(due, Math.max(left, minRows));
      merged += done.merged;
      left -= done.rows + 1;
    }
    return { merged, more: true };
  }

  #nextDue(endedBefore: string): DueRun | undefined {
    const found = this.#selectDue.get(endedBefore);
    if (found === undefined) return undefined;
    const [id, stream, key, runId, from, upto] = found as unknown as [number, number, string, string, number, number];
    return { id, stream, key, runId: asRunId(runId), from, upto };
  }

  #compact(run: DueRun, maxRows: number): { readonly rows: number; readonly merged: number } {
    const rows = this.#selectRows.all(run.stream, run.from, run.upto, maxRows) as unknown as [
      row: number,
      run: number | null,
      lastOffset: number,
      bytes: number,
    ][];
    let merged = 0;
    let group: Group | undefined;
    for (const [row, owner, lastOffset, bytes] of rows) {
      if (owner !== run.id || bytes > maxRowBytes) continue;
      const chunk = this.#events.endingAt({ id: run.stream, key: run.key }, lastOffset);
      if (chunk?.firstSeq === undefined || chunk.runId !== run.runId) continue;
      if (group !== undefined && group.lastOffset + 1 !== chunk.firstOffset) {
        merged += this.#replace(run, group);
        group = undefined;
      }
      group ??= { rows: [], kept: [], firstOffset: chunk.firstOffset, firstSeq: chunk.firstSeq, lastOffset };
      const { kept } = group;
      unpackChunk(chunk, (event, cuts) => kept.push({ event, cuts }) > 0);
      group.rows.push(row);
      group.lastOffset = lastOffset;
    }
    if (group !== undefined) merged += this.#replace(run, group);
    const isThrough = rows.length < maxRows;
    this.#moveRun.run(isThrough ? run.upto : (rows.at(-1)?.[2] ?? run.upto), isThrough ? 1 : 0, run.id);
    return { rows: rows.length, merged };
  }

  /** Writes a group anew where that saves a row or a delta; says how many deltas went into others. */
  #replace(run: DueRun, group: Group): number {
    const joined = joinDeltas(group.kept);
    const events = joined.map(({ event }) => event);
    const cuts = joined.map((kept) => kept.cuts);
    const chunks = [];
    for (let at = 0; at < events.length; ) {
      const chunk = packChunk(events, at, cuts);
      const offsets = cuts.slice(at, at + chunk.count).reduce((sum, some) => sum + coverOf(some), 0);
      chunks.push({ ...chunk, offsets });
      at += chunk.count;
    }
    const merged = group.kept.length - joined.length;
    if (chunks.length > group.rows.length || (merged === 0 && chunks.length === group.rows.length)) return 0;
    for (const row of group.rows) this.#deleteRow.run(row);
    // The last numbers are kept: the newest row of the file must stay the newest.
    const numbers = group.rows.slice(-chunks.length);
    let { firstOffset, firstSeq } = group;
    for (const [index, { meta, data, offsets }] of chunks.entries()) {
      const lastOffset = firstOffset + offsets - 1;
      const crc = checksum({ stream: run.key, firstOffset, lastOffset, runId: run.runId, firstSeq }, meta, data);
      const place = [numbers[index] ?? null, run.stream, firstOffset, lastOffset, run.id, firstSeq] as const;
      this.#insertChunk.run(...place, meta, data, crc);
      firstOffset += offsets;
      firstSeq += offsets;
    }
    return merged;
  }
}
