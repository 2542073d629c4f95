/**
 * A PostgreSQL store as the target of a move, and as its source. A stream is one transaction: after a crash it is there
 * whole or not at all. Commits do not wait for the disk one by one; the mark, which is written last, waits for all of them.
 */
import { asEpoch, type Offset, type StreamKey } from "../../../protocol/ids.ts";
import { type Clock, systemClock } from "../../platform/clock.ts";
import { unpackChunk } from "../chunk.ts";
import type { StoredDocument } from "../documents.ts";
import type { Kept } from "../merged-delta.ts";
import { repackedChunks } from "../repacked-chunks.ts";
import { type LogTarget, markKey, markKind, type StreamBook } from "../transfer.ts";
import { bookRows, readBook } from "./book.ts";
import { checksum } from "./checksums.ts";
import { type ChunkRow, chunkOf } from "./chunk-row.ts";
import { connect, type Connection } from "./connection.ts";
import { postgresDriver } from "./driver.ts";
import { openFailureOf } from "./failure.ts";
import { entering } from "./incarnation.ts";
import { pendingMigrations } from "./migrations.ts";
import { postgresSettings } from "./settings.ts";

const pageRows = 256;
const pageStreams = 1_000;
const pageDocuments = 1_000;
/** In one statement. */
const maxRows = 1_000;

/** Fails: InvalidConfig, LogUnavailable. */
export async function openPostgresTransfer(url: string, clock: Clock = systemClock): Promise<LogTarget> {
  const settings = postgresSettings(url);
  const make = await postgresDriver();
  try {
    return transferOf(await connect(make, settings, entering(settings, clock)), settings.schema);
  } catch (cause) {
    throw openFailureOf(cause);
  }
}

/** The steps that opening the store would take; nothing is changed. Fails as opening does. */
export async function postgresMigrationsDue(url: string): Promise<readonly string[]> {
  const settings = postgresSettings(url);
  const make = await postgresDriver();
  let due: readonly string[] = [];
  try {
    const connection = await connect(make, settings, async (query) => {
      due = (await pendingMigrations(query, settings)).map(({ version, name }) => `${version}: ${name}`);
      return { epoch: asEpoch("none"), timeline: "" };
    });
    connection.end();
    return due;
  } catch (cause) {
    throw openFailureOf(cause);
  }
}

function transferOf(connection: Connection, schema: string): LogTarget {
  const { query } = connection;
  const insert = async (table: string, rows: readonly object[]): Promise<void> => {
    for (let at = 0; at < rows.length; at += maxRows) {
      const columns = Object.keys(rows[at] ?? {}).join(", ");
      const text = `INSERT INTO ${schema}.${table} (${columns})
        SELECT ${columns} FROM json_populate_recordset(null::${schema}.${table}, $1::json)`;
      await query({ text, values: [JSON.stringify(rows.slice(at, at + maxRows), nullOf)] });
    }
  };
  const inTransaction = async (work: () => Promise<void>): Promise<void> => {
    await query({ text: "BEGIN" });
    try {
      await query({ text: "SET LOCAL synchronous_commit = off" });
      await work();
      await query({ text: "COMMIT" });
    } catch (cause) {
      await query({ text: "ROLLBACK" }).catch(() => {});
      throw cause;
    }
  };
  const document = async (kind: string, key: string): Promise<string | undefined> => {
    const text = `SELECT value FROM ${schema}.documents WHERE kind = $1 AND key = $2`;
    return (await query<{ value: string }>({ text, values: [kind, key] }))[0]?.value;
  };

  async function events(stream: StreamKey, after: Offset): Promise<readonly Kept[]> {
    const page: Kept[] = [];
    for (let from = after; page.length === 0; ) {
      const rows = await query<ChunkRow & { readonly first: number }>({
        name: `${schema}.transferEvents`,
        text: `SELECT e.first_offset, e.last_offset, e.run_id, e.first_seq, e.meta, e.data, e.crc, s.first
          FROM ${schema}.streams s JOIN ${schema}.events e ON e.stream = s.stream
          WHERE s.stream = $1 AND e.last_offset > $2 AND e.last_offset >= s.first ORDER BY e.last_offset LIMIT ${pageRows}`,
        values: [stream, from],
      });
      if (rows.length === 0) break;
      for (const row of rows) {
        from = row.last_offset;
        const chunk = chunkOf(stream, row);
        if (chunk === undefined) continue;
        unpackChunk(chunk, (event, cuts) => {
          if (event.offset > after && event.offset >= row.first)
            page.push(cuts === undefined ? { event } : { event, cuts });
          return true;
        });
      }
    }
    return page;
  }

  return {
    epoch: connection.epoch,
    count: async () => {
      const text = `SELECT count(*)::int AS streams, coalesce(sum(head + 1 - first), 0)::bigint AS events FROM ${schema}.streams`;
      const [row] = await query<{ streams: number; events: number }>({ text });
      return row ?? { streams: 0, events: 0 };
    },
    streams: async function* () {
      for (let after = ""; ; ) {
        const text = `SELECT stream FROM ${schema}.streams WHERE stream > $1 ORDER BY stream LIMIT ${pageStreams}`;
        const rows = await query<{ stream: StreamKey }>({ text, values: [after] });
        for (const { stream } of rows) yield stream;
        const last = rows.at(-1);
        if (last === undefined) return;
        after = last.stream;
      }
    },
    book: (stream) => readBook(query, schema, stream),
    events,
    documents: async function* () {
      for (let [kind, key] = ["", ""]; ; ) {
        const text = `SELECT kind, key, value, version FROM ${schema}.documents
          WHERE (kind, key) > ($1, $2) AND kind NOT IN ('${markKind}', 'probe') ORDER BY kind, key LIMIT ${pageDocuments}`;
        const rows = await query<StoredDocument>({ text, values: [kind, key] });
        const last = rows.at(-1);
        if (last === undefined) return;
        yield rows;
        [kind, key] = [last.kind, last.key];
      }
    },
    close: async () => connection.end(),
    mark: () => document(markKind, markKey),
    setMark: async (value) => {
      const text = `INSERT INTO ${schema}.documents (kind, key, value, version) VALUES ($1, $2, $3, 1)
        ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value`;
      await query({ text, values: [markKind, markKey, value] });
    },
    isEmpty: async () => {
      const text = `SELECT EXISTS (SELECT FROM ${schema}.streams) OR EXISTS (SELECT FROM ${schema}.documents) AS used`;
      const [row] = await query<{ used: boolean }>({ text });
      return row?.used === false;
    },
    begin: async (epoch) => {
      await query({ text: `UPDATE ${schema}.incarnation SET epoch = $1`, values: [epoch] });
    },
    has: async (stream) => {
      const text = `SELECT FROM ${schema}.streams WHERE stream = $1`;
      return (await query({ text, values: [stream] })).length > 0;
    },
    write: (book, pages) =>
      inTransaction(async () => {
        for (const [table, rows] of Object.entries(bookRows(book))) await insert(table, rows);
        for await (const page of pages) await insert("events", eventRows(book, page));
      }),
    writeDocuments: (documents) =>
      inTransaction(async () => {
        const text = `INSERT INTO ${schema}.documents (kind, key, value, version)
          SELECT kind, key, value, version FROM json_populate_recordset(null::${schema}.documents, $1::json)
          ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, version = excluded.version`;
        await query({ text, values: [JSON.stringify(documents)] });
      }),
    finish: async () => {
      const highest = (table: string): string => `coalesce((SELECT max(place) FROM ${schema}.${table}), 0)`;
      const places = ["runs", "outbox", "letters"].map(highest).join(", ");
      await query({ text: `SELECT setval('${schema}.places', greatest(${places}, 1))` });
    },
  };
}

/** A field that is undefined is a column that is null. */
const nullOf = (_name: string, value: unknown): unknown => (value === undefined ? null : value);

function eventRows({ stream, runs }: StreamBook, page: readonly Kept[]): object[] {
  const runAt = new Map(runs.map(({ record }) => [record.runId, record.firstOffset]));
  return repackedChunks(page).map((chunk) => {
    const { firstOffset, lastOffset, runId, firstSeq, time, meta, data } = chunk;
    return {
      ...{ stream, first_offset: firstOffset, last_offset: lastOffset, run_id: runId ?? null },
      ...{ run: runId === undefined ? null : (runAt.get(runId) ?? null), first_seq: firstSeq ?? null },
      ...{ time, units: data.length, meta, data, crc: checksum(stream, chunk, lastOffset) },
    };
  });
}
