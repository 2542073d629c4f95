/** What stands beside a stream's events in the SQLite log, read for a move: runs, keys, cursors, outbox and dead letters. */
import type { DeviceId, Offset } from "../../protocol/ids.ts";
import { type LetterColumns, letterOf, selectLetters } from "./sqlite-letters.ts";
import { type OutboxColumns, outboxRowOf, selectOutbox } from "./sqlite-outbox.ts";
import { selectRuns, takeRun } from "./sqlite-run-row.ts";
import type { CopiedRun, LogSource, StreamBook } from "./transfer.ts";

export interface SqliteAsk {
  readonly rows: <Row>(text: string, ...values: (string | number)[]) => Row[];
  readonly one: <Row>(text: string, ...values: (string | number)[]) => Row | undefined;
}

type StreamRow = [id: number, first: number, head: number, acked: number, dead: number, oldest: string | null];
/** Fails: RangeError for a stream that is not there. */
export function sqliteBooks(ask: SqliteAsk): LogSource["book"] {
  return async (stream) => {
    const found = ask.one<StreamRow>("SELECT id, first, head, acked, dead, oldest FROM streams WHERE key = ?", stream);
    if (found === undefined) throw new RangeError("no such stream");
    const [id, first, head, acked, dead, oldest] = found;
    return {
      ...{ stream, first, head, acked, dead, oldest: oldest ?? undefined },
      lost: ask
        .rows<[Offset]>("SELECT offset FROM dead_letters WHERE stream = ? AND offset >= ? ORDER BY offset", id, first)
        .map(([offset]) => offset),
      runs: runsOf(ask, id),
      keys: keysOf(ask, id),
      cursors: ask
        .rows<[DeviceId, Offset]>("SELECT device, offset FROM cursors WHERE stream = ?", id)
        .map(([device, offset]) => ({ device, offset })),
      outbox: ask
        .rows<OutboxColumns>(`${selectOutbox} WHERE o.stream = ? ORDER BY o.id`, id)
        .map((row) => ({ place: row[0], row: outboxRowOf(row) })),
      letters: ask
        .rows<LetterColumns>(`${selectLetters} WHERE l.stream = ? ORDER BY l.id`, id)
        .map((row) => ({ place: row[0], letter: letterOf(row) })),
    };
  };
}

function runsOf(ask: SqliteAsk, stream: number): CopiedRun[] {
  const approvals = Map.groupBy(
    ask.rows<[number, string]>(
      "SELECT a.run, a.approval_id FROM approvals a JOIN runs r ON r.id = a.run WHERE r.stream = ?",
      stream,
    ),
    ([run]) => run,
  );
  const states = new Map(
    ask
      .rows<[number, string | null, number]>("SELECT id, compact_at, compacted FROM runs WHERE stream = ?", stream)
      .map(([id, compactAt, compacted]) => [id, { compactAt: compactAt ?? undefined, compacted }] as const),
  );
  return ask.rows<unknown>(`${selectRuns} WHERE r.stream = ? ORDER BY r.first_offset`, stream).map((row) => {
    const { id, record } = takeRun(row);
    const opened = (approvals.get(id) ?? []).map(([, approval]) => approval);
    return { place: id, record, approvals: opened, ...(states.get(id) ?? { compacted: 0 }) };
  });
}

/** Those of runs that retention took wait for their deletion, and are left behind. */
function keysOf(ask: SqliteAsk, stream: number): StreamBook["keys"] {
  const found = ask.rows<[run: number | null, name: string, digest: string, seq: number, offset: number]>(
    `SELECT r.first_offset, k.name, k.digest, k.seq, k.offset FROM runs r JOIN keys k ON k.owner = r.id WHERE r.stream = ?
     UNION ALL SELECT NULL, name, digest, seq, offset FROM keys WHERE owner = ?`,
    stream,
    -stream,
  );
  return found.map(([run, name, digest, seq, offset]) => ({ run: run ?? undefined, name, digest, seq, offset }));
}
