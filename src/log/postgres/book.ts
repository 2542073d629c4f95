/** What stands beside a stream's events in the PostgreSQL log, as `transfer` reads and writes it when a store moves. */
import type { DeviceId, Offset, StreamKey } from "../../../protocol/ids.ts";
import type { StreamBook } from "../transfer.ts";
import type { Connection } from "./connection.ts";
import { type RunRow, recordOf } from "./run-row.ts";
import { type LetterColumns, letterOf, type OutboxColumns, outboxRowOf } from "./writes.ts";

type Query = Connection["query"];

interface StreamRow {
  readonly first: number;
  readonly head: number;
  readonly dead: number;
  readonly oldest: string | null;
  readonly acked: number | null;
}

interface CopiedRunRow extends RunRow {
  readonly compact_at: string | null;
  readonly compacted: number;
}

interface KeyRow {
  readonly run: number;
  readonly name: string;
  readonly digest: string;
  readonly seq: number;
  readonly at_offset: number;
}

/** Fails: RangeError for a stream that is not there. */
export async function readBook(query: Query, schema: string, stream: StreamKey): Promise<StreamBook> {
  const rows = <Row>(text: string): Promise<Row[]> => query<Row>({ text, values: [stream] });
  const [found] = await rows<StreamRow>(
    `SELECT s.first, s.head, s.dead, s.oldest, a.acked FROM ${schema}.streams s
     LEFT JOIN ${schema}.acks a ON a.stream = s.stream WHERE s.stream = $1`,
  );
  if (found === undefined) throw new RangeError("no such stream");
  const runs = await rows<CopiedRunRow>(`SELECT * FROM ${schema}.runs WHERE stream = $1 ORDER BY first_offset`);
  const approvals = Map.groupBy(
    await rows<{ run: number; approval_id: string }>(
      `SELECT run, approval_id FROM ${schema}.approvals WHERE stream = $1`,
    ),
    ({ run }) => run,
  );
  const keys = await rows<KeyRow>(
    `SELECT k.run, k.name, k.digest, k.seq, k.at_offset FROM ${schema}.keys k WHERE k.stream = $1 AND (k.run = 0 OR
       EXISTS (SELECT FROM ${schema}.runs r WHERE r.stream = k.stream AND r.first_offset = k.run))`,
  );
  const lost = await rows<{ at_offset: Offset }>(
    `SELECT at_offset FROM ${schema}.lost WHERE stream = $1 ORDER BY at_offset`,
  );
  const cursors = await rows<{ device: DeviceId; at_offset: Offset }>(
    `SELECT device, at_offset FROM ${schema}.cursors WHERE stream = $1`,
  );
  const outbox = await rows<OutboxColumns>(`SELECT * FROM ${schema}.outbox WHERE stream = $1 ORDER BY place`);
  const letters = await rows<LetterColumns>(`SELECT * FROM ${schema}.letters WHERE stream = $1 ORDER BY place`);
  const { first, head, dead, oldest, acked } = found;
  return {
    ...{ stream, first, head, dead, acked: acked ?? 0, oldest: oldest ?? undefined },
    lost: lost.map(({ at_offset: offset }) => offset),
    runs: runs.map((row) => ({
      place: row.place,
      record: recordOf(row),
      approvals: (approvals.get(row.first_offset) ?? []).map(({ approval_id: id }) => id),
      compactAt: row.compact_at ?? undefined,
      compacted: row.compacted,
    })),
    keys: keys.map(({ run, name, digest, seq, at_offset: offset }) => ({
      ...{ run: run === 0 ? undefined : run, name, digest, seq, offset },
    })),
    cursors: cursors.map(({ device, at_offset: offset }) => ({ device, offset })),
    outbox: outbox.map((row) => ({ place: row.place, row: outboxRowOf(row) })),
    letters: letters.map((row) => ({ place: row.place, letter: letterOf(row) })),
  };
}

/** The rows of a book, by the table that they belong to. */
export function bookRows(book: StreamBook): Readonly<Record<string, readonly object[]>> {
  const { stream, runs } = book;
  return {
    streams: [{ stream, first: book.first, head: book.head, dead: book.dead, oldest: book.oldest ?? null }],
    acks: book.acked === 0 ? [] : [{ stream, acked: book.acked }],
    lost: book.lost.map((offset) => ({ stream, at_offset: offset })),
    runs: runs.map(({ place, record, compactAt, compacted }) => ({
      ...{ stream, first_offset: record.firstOffset, place, tenant: record.tenantId, run_id: record.runId },
      ...{ thread: record.threadId, agent: record.agent, profile: record.profile, on_illegal: record.onIllegal },
      ...{ mode: record.mode, lease_ms: record.leaseMs, deadline_ms: record.deadlineMs },
      ...{ parent_run_id: record.parentRunId, start_digest: record.startDigest, started_at: record.startedAt },
      ...{ fence: record.fence, seq: record.seq, last_offset: record.lastOffset, ended: record.ended },
      ...{ compact_at: compactAt, compacted },
    })),
    names: runs.map(({ record: { runId, tenantId, firstOffset } }) => ({
      ...{ run_id: runId, tenant: tenantId, stream, first_offset: firstOffset },
    })),
    approvals: runs.flatMap(({ record, approvals }) =>
      approvals.map((id) => ({ approval_id: id, tenant: record.tenantId, stream, run: record.firstOffset })),
    ),
    keys: book.keys.map(({ run, name, digest, seq, offset }) => ({
      ...{ stream, run: run ?? 0, name, digest, seq, at_offset: offset },
    })),
    cursors: book.cursors.map(({ device, offset }) => ({ stream, device, at_offset: offset })),
    outbox: book.outbox.map(({ place, row }) => ({
      ...{ stream, at_offset: row.offset, place, event_id: row.eventId, type: row.type, run_id: row.runId },
      ...{ thread: row.threadId, time: row.time, state: row.state, note: row.note, version: row.version },
    })),
    letters: book.letters.map(({ place, letter }) => {
      const { kind, tenantId: tenant, reason, time } = letter;
      const named = letter.kind === "quarantined" ? letter : undefined;
      const range = letter.kind === "quarantined" ? undefined : letter;
      return {
        ...{ stream, place, kind, tenant, reason: reason.replaceAll("\0", "\ufffd"), time },
        ...{ run_id: named?.runId, type: named?.type, data: named?.data },
        ...{ from_offset: range?.from, upto_offset: range?.upto, events: range?.events },
      };
    }),
  };
}
