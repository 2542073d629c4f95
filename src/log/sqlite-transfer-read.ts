/** The reads of a move from the SQLite log, or of the comparison after one, by whoever has the file for itself. */
import type { DatabaseSync } from "node:sqlite";
import { asRunId, type Offset, type StreamKey } from "../../protocol/ids.ts";
import { unpackChunk } from "./chunk.ts";
import type { StoredDocument } from "./documents.ts";
import type { Kept } from "./merged-delta.ts";
import { sqliteBooks } from "./sqlite-book.ts";
import { checksum } from "./sqlite-checksum.ts";
import { PreparedStatements } from "./sqlite-prepared.ts";
import { type LogSource, markKind } from "./transfer.ts";

const pageRows = 256;
const pageDocuments = 1_000;

type EventRow = [
  firstOffset: number,
  lastOffset: number,
  runId: string | null,
  firstSeq: number | null,
  meta: string,
  data: string,
  crc: number,
];

export function sqliteTransferReads(database: DatabaseSync): Omit<LogSource, "epoch" | "close"> {
  const prepared = new PreparedStatements(database);
  const rows = <Row>(text: string, ...values: (string | number)[]): Row[] =>
    prepared.of(text).all(...values) as unknown as Row[];
  const one = <Row>(text: string, ...values: (string | number)[]): Row | undefined =>
    prepared.of(text).get(...values) as unknown as Row | undefined;

  function events(stream: StreamKey, after: Offset): readonly Kept[] {
    const [id = 0, first = 1] = one<[number, number]>("SELECT id, first FROM streams WHERE key = ?", stream) ?? [];
    const page: Kept[] = [];
    for (let from = Math.max(after, first - 1); page.length === 0; ) {
      const found = rows<EventRow>(
        `SELECT e.first_offset, e.last_offset, r.run_id, e.first_seq, e.meta, e.data, e.crc
         FROM events e LEFT JOIN runs r ON r.id = e.run
         WHERE e.stream = ? AND e.last_offset > ? ORDER BY e.last_offset LIMIT ${pageRows}`,
        ...[id, from],
      );
      if (found.length === 0) break;
      for (const [firstOffset, lastOffset, run, seq, meta, data, crc] of found) {
        from = lastOffset;
        const runId = run === null ? undefined : asRunId(run);
        const firstSeq = seq ?? undefined;
        if (checksum({ stream, firstOffset, lastOffset, runId, firstSeq }, meta, data) !== crc) continue;
        unpackChunk({ firstOffset, runId, firstSeq, meta, data }, (event, cuts) => {
          if (event.offset > after && event.offset >= first)
            page.push(cuts === undefined ? { event } : { event, cuts });
          return true;
        });
      }
    }
    return page;
  }

  return {
    count: async () => {
      const [streams = 0, total = 0] =
        one<[number, number | null]>("SELECT count(*), sum(head + 1 - first) FROM streams") ?? [];
      return { streams, events: total ?? 0 };
    },
    streams: async function* () {
      for (let after = ""; ; ) {
        const page = rows<[StreamKey]>(`SELECT key FROM streams WHERE key > ? ORDER BY key LIMIT ${pageRows}`, after);
        for (const [stream] of page) yield stream;
        const [last] = page.at(-1) ?? [];
        if (last === undefined) return;
        after = last;
      }
    },
    book: sqliteBooks({ rows, one }),
    events: async (stream, after) => events(stream, after),
    documents: async function* () {
      for (let [kind, key] = ["", ""]; ; ) {
        const found = rows<[string, string, string, number]>(
          `SELECT kind, key, value, version FROM documents WHERE (kind, key) > (?, ?) AND kind <> '${markKind}'
           ORDER BY kind, key LIMIT ${pageDocuments}`,
          ...[kind, key],
        );
        if (found.length === 0) return;
        yield found.map(
          ([kindOf, keyOf, value, version]): StoredDocument => ({ kind: kindOf, key: keyOf, value, version }),
        );
        [kind = "", key = ""] = found.at(-1) ?? [];
      }
    },
  };
}
