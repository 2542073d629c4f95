/** The reads of the PostgreSQL log: each one statement, so that what it says is of one moment. */
import {
  type DeviceId,
  type Offset,
  type RunId,
  type Seq,
  type StreamKey,
  type TenantId,
} from "../../../protocol/ids.ts";
import { sliceOf, runEventsOf } from "../chunk-slice.ts";
import type {
  EventLog,
  KnownKey,
  LedgerCount,
  ReadLimit,
  RunRecord,
  RunsQuery,
  Slice,
  StoredEvent,
} from "../event-log.ts";
import { pageBefore } from "../page-place.ts";
import { runsPage } from "../runs-page.ts";
import { mergedMark } from "../chunk.ts";
import { type ChunkRow, chunkOf, type Lost, maxPageEvents, soundOf } from "./chunk-row.ts";
import type { Connection, Statement } from "./connection.ts";
import { type RunRow, recordOf } from "./run-row.ts";

/** The chunks of a range as far as a limit goes: the server counts, so that no more is sent than one chunk too much. */
const chunksWithin = (schema: string, range: string, events: string, bytes: string, startsBefore: string): string => {
  // Of one that begins before the range a part is asked for; a merged delta is one event, however many offsets it covers.
  const count = `CASE WHEN ${startsBefore} THEN 0 WHEN e.meta LIKE '%${mergedMark}%' THEN 1
    ELSE e.last_offset + 1 - e.first_offset END`;
  return `
SELECT * FROM (
  SELECT e.first_offset, e.last_offset, e.run_id, e.first_seq, e.meta, e.data, e.crc,
    sum(${count}) OVER w - ${count} AS events_before,
    sum(CASE WHEN ${startsBefore} THEN 0 ELSE e.units END) OVER w
      - (CASE WHEN ${startsBefore} THEN 0 ELSE e.units END) AS units_before
  FROM ${schema}.events e WHERE ${range} WINDOW w AS (ORDER BY e.last_offset) LIMIT ${events}
) c WHERE c.events_before <= ${events} AND c.units_before <= ${bytes}`;
};

interface PositionRow {
  readonly first: number;
  readonly head: number;
}

const maxBytesOfLimit = 2 ** 40;
const ledgerStreams = 1_000;

/** A connection for one read, or a transaction that somebody else has open. */
type Use = <Answer>(work: (connection: Pick<Connection, "epoch" | "query">) => Promise<Answer>) => Promise<Answer>;

export interface ReadTerms {
  readonly schema: string;
  readonly use: Use;
  /** Hears of offsets whose record failed its checksum or is gone. */
  readonly onLost: (lost: readonly Lost[]) => Promise<void>;
}

type Reads = Pick<
  EventLog,
  "position" | "read" | "living" | "run" | "runs" | "readRun" | "knownKeys" | "approval" | "cursor" | "ledger"
>;

export function postgresReads({ schema, use, onLost }: ReadTerms): Reads {
  const ask = <Row>(statement: Statement): Promise<Row[]> => use(({ query }) => query<Row>(statement));
  const statement =
    (name: string, text: string) =>
    (...values: unknown[]): Statement => ({
      ...{ name: `${schema}.${name}`, text, values },
    });

  const selectPosition = statement("position", `SELECT first, head FROM ${schema}.streams WHERE stream = $1`);
  const selectSlice = statement(
    "read",
    `SELECT s.first, s.head, c.* FROM (VALUES (1)) AS one
     LEFT JOIN ${schema}.streams s ON s.stream = $1
     LEFT JOIN LATERAL (${chunksWithin(
       schema,
       "e.stream = $1 AND e.last_offset >= greatest($2, s.first) AND e.last_offset <= s.head",
       "$3::bigint",
       "$4::bigint",
       "e.first_offset < greatest($2, s.first)",
     )}) c ON true ORDER BY c.last_offset`,
  );
  const selectLiving = statement(
    "living",
    `SELECT s.first AS at_first, s.head AS at_head, r.* FROM (VALUES (1)) AS one
     LEFT JOIN ${schema}.streams s ON s.stream = $1
     LEFT JOIN ${schema}.runs r ON r.stream = $1 AND r.ended IS NULL ORDER BY r.first_offset`,
  );
  const ofName = `${schema}.names n JOIN ${schema}.runs r ON r.stream = n.stream AND r.first_offset = n.first_offset`;
  const selectRun = statement("run", `SELECT r.* FROM ${ofName} WHERE n.run_id = $2 AND n.tenant = $1`);
  const selectOfRun = statement(
    "readRun",
    `SELECT r.stream, c.* FROM ${ofName} JOIN LATERAL (${chunksWithin(
      schema,
      // Every event takes an offset, so the one with seq s stands at firstOffset + s - 1 or behind it.
      `e.stream = n.stream AND e.run = n.first_offset AND e.last_offset >= r.first_offset + greatest($3::bigint, 0)
       AND e.last_offset <= r.last_offset AND e.first_seq + (e.last_offset - e.first_offset) > $3::bigint`,
      "$4::bigint",
      "$5::bigint",
      "e.first_seq <= $3::bigint",
    )}) c ON true WHERE n.run_id = $2 AND n.tenant = $1 ORDER BY c.last_offset`,
  );
  const selectKeysOfRun = statement(
    "keysOfRun",
    `SELECT k.name, k.digest, k.seq, k.at_offset FROM ${schema}.names n
     JOIN ${schema}.keys k ON k.stream = n.stream AND k.run = n.first_offset AND k.name IN (SELECT jsonb_array_elements_text($3::text::jsonb))
     WHERE n.run_id = $2 AND n.tenant = $1`,
  );
  const selectKeys = statement(
    "keys",
    `SELECT name, digest, seq, at_offset FROM ${schema}.keys WHERE stream = $1 AND run = 0 AND name IN (SELECT jsonb_array_elements_text($2::text::jsonb))`,
  );
  const selectApproval = statement(
    "approval",
    `SELECT r.* FROM ${schema}.approvals a JOIN ${schema}.runs r ON r.stream = a.stream AND r.first_offset = a.run
     WHERE a.tenant = $1 AND a.approval_id = $2 AND ($3::text IS NULL OR a.stream = $3)
     ORDER BY r.place DESC LIMIT 1`,
  );
  const selectCursor = statement("cursor", `SELECT at_offset FROM ${schema}.cursors WHERE stream = $1 AND device = $2`);
  const ledgerOf = (streams: string): string => `SELECT count(*) AS streams, max(s.stream) AS last,
     coalesce(sum(s.head), 0)::bigint AS accepted,
     coalesce(sum(s.first - 1 - s.dead + coalesce(e.acked, 0)), 0)::bigint AS acked,
     coalesce(sum(coalesce(e.sound, 0) - coalesce(e.acked, 0)), 0)::bigint AS stored,
     coalesce(sum(s.dead + coalesce(l.lost, 0)), 0)::bigint AS dead
   FROM (SELECT * FROM ${schema}.streams WHERE ${streams}) s
   LEFT JOIN ${schema}.acks a ON a.stream = s.stream
   LEFT JOIN LATERAL (
     SELECT sum(e.last_offset + 1 - e.first_offset) AS sound,
       sum(greatest(least(e.last_offset, coalesce(a.acked, 0)) + 1 - e.first_offset, 0)) AS acked
     FROM ${schema}.events e WHERE e.stream = s.stream AND e.last_offset BETWEEN s.first AND s.head
       AND NOT EXISTS (SELECT FROM ${schema}.lost d WHERE d.stream = e.stream AND d.at_offset = e.last_offset)) e ON true
   LEFT JOIN LATERAL (SELECT count(*) AS lost FROM ${schema}.lost d WHERE d.stream = s.stream) l ON true`;
  const selectLedger = statement("ledger", ledgerOf("stream = $1"));
  const selectLedgers = statement("ledgers", ledgerOf(`stream > $1 ORDER BY stream LIMIT ${ledgerStreams}`));

  const position = async (stream: StreamKey) =>
    use(async ({ epoch, query }) => {
      const [row] = await query<PositionRow>(selectPosition(stream));
      return { epoch, first: row?.first ?? 1, head: row?.head ?? 0 };
    });

  async function read(stream: StreamKey, after: Offset, limit: ReadLimit): Promise<Slice> {
    const { epoch, rows } = await use(async (connection) => ({
      epoch: connection.epoch,
      rows: await connection.query<Partial<ChunkRow> & Partial<PositionRow>>(
        selectSlice(
          stream,
          after + 1,
          Math.min(limit.maxEvents, maxPageEvents),
          Math.min(limit.maxBytes, maxBytesOfLimit),
        ),
      ),
    }));
    const { first, head } = { first: rows[0]?.first ?? 1, head: rows[0]?.head ?? 0 };
    const found = rows.filter((row): row is ChunkRow & PositionRow => typeof row.last_offset === "number");
    const from = Math.max(after + 1, first);
    const sound = soundOf(stream, found, from, head);
    const { events, corrupt, upto } = sliceOf(sound.chunks, sound.lost, from, limit);
    const slice = { epoch, first, head, events, upto };
    if (corrupt.length === 0) return slice;
    await onLost(sound.ranges.map((range) => ({ stream, ...range })));
    return { ...slice, corrupt };
  }

  return {
    position,
    read,
    living: (stream) =>
      use(async ({ epoch, query }) => {
        const rows = await query<RunRow & { at_first: number | null; at_head: number | null }>(selectLiving(stream));
        const runs = rows.filter(({ run_id: name }) => typeof name === "string").map(recordOf);
        return { epoch, first: rows[0]?.at_first ?? 1, head: rows[0]?.at_head ?? 0, runs };
      }),
    run: async (tenantId, runId) => oneOf(await ask<RunRow>(selectRun(tenantId, runId))),
    runs: async (query) => {
      const rows = await ask<RunRow>(runsStatement(schema, query));
      const found = rows.map((row) => ({
        place: query.stream === undefined ? row.place : row.first_offset,
        record: recordOf(row),
      }));
      const { page, next } = runsPage(found, query.limit);
      return { runs: page.map(({ record }) => record), next };
    },
    readRun: async (
      tenantId: TenantId,
      runId: RunId,
      afterSeq: Seq,
      limit: ReadLimit,
    ): Promise<readonly StoredEvent[]> => {
      const bounds = [Math.min(limit.maxEvents, maxPageEvents), Math.min(limit.maxBytes, maxBytesOfLimit)];
      const rows = await ask<ChunkRow & { stream: StreamKey }>(selectOfRun(tenantId, runId, afterSeq, ...bounds));
      const chunks = rows.flatMap((row) => chunkOf(row.stream, row) ?? []);
      return runEventsOf(chunks, afterSeq, limit);
    },
    knownKeys: async (owner, names) => {
      const rows = await ask<{ name: string; digest: string; seq: number; at_offset: number }>(
        "runId" in owner
          ? selectKeysOfRun(owner.tenantId, owner.runId, JSON.stringify(names))
          : selectKeys(owner.stream, JSON.stringify(names)),
      );
      const found = new Map(rows.map(({ name, digest, seq, at_offset: offset }) => [name, { digest, seq, offset }]));
      const known = new Map<string, KnownKey>();
      for (const name of names) {
        const key = found.get(name);
        if (key !== undefined) known.set(name, key);
      }
      return known;
    },
    approval: async (tenantId, approvalId, stream) =>
      oneOf(await ask<RunRow>(selectApproval(tenantId, approvalId, stream ?? null))),
    cursor: async (stream: StreamKey, device: DeviceId) => {
      const [row] = await ask<{ at_offset: number }>(selectCursor(stream, device));
      return row?.at_offset ?? 0;
    },
    // Taken in parts, so that no statement runs for long; each part is of one moment.
    ledger: async (stream) => {
      const total: { -readonly [Name in keyof LedgerCount]: number } = {
        accepted: 0,
        acked: 0,
        stored: 0,
        deadLettered: 0,
      };
      for (let from: string | null = ""; from !== null; ) {
        const [part]: LedgerRow[] = await ask<LedgerRow>(
          stream === undefined ? selectLedgers(from) : selectLedger(stream),
        );
        if (part === undefined) break;
        total.accepted += part.accepted;
        total.acked += part.acked;
        total.stored += part.stored;
        total.deadLettered += part.dead;
        from = part.streams < ledgerStreams ? null : part.last;
      }
      return total;
    },
  };
}

interface LedgerRow extends Omit<LedgerCount, "deadLettered"> {
  readonly streams: number;
  readonly last: string | null;
  readonly dead: number;
}

const oneOf = ([row]: readonly RunRow[]): RunRecord | undefined => (row === undefined ? undefined : recordOf(row));

function runsStatement(schema: string, query: RunsQuery): Statement {
  const before = pageBefore(query.before);
  const values: unknown[] = [];
  const wanted: string[] = [];
  const want = (condition: string, value: unknown): void => {
    values.push(value);
    wanted.push(`${condition} $${values.length}`);
  };
  const place = query.stream === undefined ? "r.place" : "r.first_offset";
  if (before !== undefined) want(`${place} <`, before);
  if (query.tenantId !== undefined) want("r.tenant =", query.tenantId);
  if (query.stream !== undefined) want("r.stream =", query.stream);
  if (query.living !== undefined) wanted.push(`r.ended IS ${query.living ? "" : "NOT "}NULL`);
  const where = wanted.length === 0 ? "" : `WHERE ${wanted.join(" AND ")}`;
  values.push(query.limit + 1);
  return { text: `SELECT r.* FROM ${schema}.runs r ${where} ORDER BY ${place} DESC LIMIT $${values.length}`, values };
}
