/** The rows that a stream of a moved store becomes in the SQLite log, inside whatever transaction the caller has open. */
import { checksum } from "./sqlite-checksum.ts";
import type { PreparedStatements } from "./sqlite-prepared.ts";
import { insertRun, runValues } from "./sqlite-run-row.ts";
import type { Kept } from "./merged-delta.ts";
import { repackedChunks } from "./repacked-chunks.ts";
import type { StreamBook } from "./transfer.ts";

type Value = string | number | null;

export interface BookPlaces {
  /** Number of the stream. */
  readonly stream: number;
  /** Numbers of the runs, by their ids. */
  readonly runs: ReadonlyMap<string, number>;
}

const insert = (prepared: PreparedStatements, table: string, row: Readonly<Record<string, Value>>): number => {
  const columns = Object.keys(row);
  const marks = columns.map(() => "?").join(", ");
  const text = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${marks})`;
  return Number(prepared.of(text).run(...Object.values(row)).lastInsertRowid);
};

/** All of a stream but its events. Places of runs, letters and rows of the outbox become their numbers. */
export function insertBook(prepared: PreparedStatements, book: StreamBook): BookPlaces {
  const { stream: key, first, head, acked, dead, oldest } = book;
  const stream = insert(prepared, "streams", { key, first, head, acked, dead, oldest: oldest ?? null });
  const runs = new Map<string, number>();
  const runAt = new Map<number, number>();
  for (const { place, record, approvals, compactAt, compacted } of book.runs) {
    runs.set(record.runId, place);
    runAt.set(record.firstOffset, place);
    const progress = { ...record, endedAt: compactAt };
    prepared.of(insertRun).run(...runValues(place, stream, record, progress));
    if (compacted > 0) prepared.of("UPDATE runs SET compacted = ? WHERE id = ?").run(compacted, place);
    for (const id of approvals) insert(prepared, "approvals", { tenant: record.tenantId, approval_id: id, run: place });
  }
  for (const offset of book.lost) insert(prepared, "dead_letters", { stream, offset });
  for (const { run, name, digest, seq, offset } of book.keys) {
    const owner = run === undefined ? -stream : runAt.get(run);
    if (owner !== undefined) insert(prepared, "keys", { owner, name, digest, seq, offset });
  }
  for (const { device, offset } of book.cursors) insert(prepared, "cursors", { stream, device, offset });
  for (const { place, row } of book.outbox) {
    const { offset, eventId, type, runId, threadId, time, state, note, version } = row;
    const named = { event_id: eventId, type, run_id: runId ?? null, thread: threadId ?? null };
    insert(prepared, "outbox", { id: place, stream, offset, ...named, time, state, note, version });
  }
  for (const { place, letter } of book.letters) {
    const { kind, tenantId: tenant, reason, time } = letter;
    const what: Record<string, Value> =
      letter.kind === "quarantined"
        ? { run_id: letter.runId, type: letter.type, data: letter.data }
        : { from_offset: letter.from, upto_offset: letter.upto, events: letter.events };
    insert(prepared, "letters", { id: place, kind, stream, tenant, reason, time, ...what });
  }
  return { stream, runs };
}

/** `row`: the number of the newest row that was written; answers with what it is then. */
export function insertEvents(
  prepared: PreparedStatements,
  { stream }: StreamBook,
  places: BookPlaces,
  page: readonly Kept[],
  row: number,
): number {
  let last = row;
  for (const { firstOffset, lastOffset, runId, firstSeq, meta, data } of repackedChunks(page)) {
    last += 1;
    const crc = checksum({ stream, firstOffset, lastOffset, runId, firstSeq }, meta, data);
    const run = runId === undefined ? null : (places.runs.get(runId) ?? null);
    const place = { row: last, stream: places.stream, first_offset: firstOffset, last_offset: lastOffset };
    insert(prepared, "events", { ...place, run, first_seq: firstSeq ?? null, meta, data, crc });
  }
  return last;
}
