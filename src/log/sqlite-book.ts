/** What stands beside a stream's events in the SQLite log, read for a move: runs, keys, cursors, outbox and dead letters. */
import { asRunId, asTenantId, type DeviceId, type Offset, type StreamKey } from "../../protocol/ids.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { OutboxRow, OutboxState } from "./outbox.ts";
import { selectRuns, takeRun } from "./sqlite-run-row.ts";
import type { CopiedRun, LogSource, StreamBook } from "./transfer.ts";

export interface SqliteAsk {
  readonly rows: <Row>(text: string, ...values: (string | number)[]) => Row[];
  readonly one: <Row>(text: string, ...values: (string | number)[]) => Row | undefined;
}

type StreamRow = [id: number, first: number, head: number, acked: number, dead: number, oldest: string | null];
type OutboxColumns = [
  place: number,
  offset: number,
  eventId: string,
  type: string,
  run: string | null,
  thread: string | null,
  time: string,
  state: OutboxState,
  note: string,
  version: number,
];
type LetterColumns = [
  place: number,
  kind: DeadLetter["kind"],
  tenant: string,
  run: string | null,
  type: string | null,
  data: string | null,
  from: number | null,
  upto: number | null,
  events: number | null,
  reason: string,
  time: string,
];

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
      outbox: outboxOf(ask, id, stream),
      letters: lettersOf(ask, id, stream),
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

function outboxOf(ask: SqliteAsk, id: number, stream: StreamKey): StreamBook["outbox"] {
  const found = ask.rows<OutboxColumns>(
    `SELECT id, offset, event_id, type, run_id, thread, time, state, note, version FROM outbox WHERE stream = ?
     ORDER BY id`,
    id,
  );
  return found.map(([place, offset, eventId, type, run, thread, time, state, note, version]) => {
    const named = { runId: run === null ? undefined : asRunId(run), threadId: thread ?? undefined };
    return { place, row: { stream, offset, eventId, type, ...named, time, state, note, version } satisfies OutboxRow };
  });
}

function lettersOf(ask: SqliteAsk, id: number, stream: StreamKey): StreamBook["letters"] {
  const found = ask.rows<LetterColumns>(
    `SELECT id, kind, tenant, run_id, type, data, from_offset, upto_offset, events, reason, time FROM letters
     WHERE stream = ? ORDER BY id`,
    id,
  );
  return found.map(([place, kind, tenant, run, type, data, from, upto, events, reason, time]) => {
    const whose = { stream, tenantId: asTenantId(tenant), reason, time };
    const letter: DeadLetter =
      kind === "quarantined"
        ? { kind, ...whose, runId: asRunId(run ?? ""), type: type ?? "", data: data ?? "" }
        : { kind, ...whose, from: from ?? 0, upto: upto ?? 0, events: events ?? 0 };
    return { place, letter };
  });
}
