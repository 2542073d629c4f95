/**
 * Compaction in the PostgreSQL log: the rows of a run that has ended are read, joined here (`merged-delta`), and put in the
 * place of the old ones if those are still there. Broken rows stay as they are, and of two nodes that compact a run one wins.
 */
import type { Offset, StreamKey } from "../../../protocol/ids.ts";
import { packChunk, unpackChunk } from "../chunk.ts";
import type { Compact, Compacted } from "../housekeeping.ts";
import { coverOf, joinDeltas, type Kept } from "../merged-delta.ts";
import { checksum } from "./checksums.ts";
import type { Statement } from "./connection.ts";
import { type ChunkRow, chunkOf } from "./chunk-row.ts";

/** A row with more than that is a chunk of its own already. */
const maxRowUnits = 32 * 1_024;
/** Of one run in one slice at least: rows that are looked at one by one join to nothing. */
const minRows = 128;
/** Of one run in one statement at most. */
const maxRows = 2_000;

type Ask = <Row>(statement: Statement) => Promise<Row[]>;

interface DueRun {
  readonly stream: StreamKey;
  readonly first_offset: Offset;
  readonly last_offset: Offset;
  readonly compacted: Offset;
}

type EventRow = ChunkRow & { readonly run: number | null; readonly units: number };

/** Rows of the run side by side. */
interface Group {
  readonly old: (readonly [lastOffset: number, crc: number])[];
  readonly kept: Kept[];
  readonly firstOffset: number;
  readonly firstSeq: number;
  lastOffset: number;
}

interface NewRow {
  readonly place: readonly (number | string)[];
  readonly texts: readonly [meta: string, data: string];
}

export function postgresCompaction(schema: string, ask: Ask): (compact: Compact) => Promise<Compacted> {
  async function nextDue(endedBefore: string): Promise<DueRun | undefined> {
    const [due] = await ask<DueRun>({
      name: `${schema}.compactNext`,
      text: `SELECT stream, first_offset, last_offset, compacted FROM ${schema}.runs
        WHERE compact_at IS NOT NULL AND compact_at < $1 ORDER BY compact_at LIMIT 1`,
      values: [endedBefore],
    });
    return due;
  }

  async function compactRun(run: DueRun, limit: number): Promise<{ readonly rows: number; readonly merged: number }> {
    const from = Math.max(run.first_offset, run.compacted + 1);
    const count = Math.min(limit, maxRows);
    const rows = await ask<EventRow>({
      name: `${schema}.compactRows`,
      // The data of big rows is not read for it.
      text: `SELECT first_offset, last_offset, run, run_id, first_seq, units, crc, meta,
          CASE WHEN run = $2 AND units <= ${maxRowUnits} THEN data ELSE '' END AS data
        FROM ${schema}.events WHERE stream = $1 AND last_offset BETWEEN $3 AND $4 ORDER BY last_offset LIMIT $5`,
      values: [run.stream, run.first_offset, from, run.last_offset, count],
    });
    const groups = groupsOf(run, rows);
    const replaced = groups.flatMap((group) => replacementOf(run, group) ?? []);
    const isThrough = rows.length < count;
    const upto = isThrough ? run.last_offset : (rows.at(-1)?.last_offset ?? run.last_offset);
    const isOurs = await replace(run, upto, isThrough, replaced);
    return { rows: rows.length, merged: isOurs ? replaced.reduce((sum, { merged }) => sum + merged, 0) : 0 };
  }

  /** False: somebody else was first. */
  async function replace(
    { stream, first_offset: run, compacted }: DueRun,
    upto: Offset,
    isThrough: boolean,
    replaced: readonly Replacement[],
  ): Promise<boolean> {
    const old = JSON.stringify(replaced.flatMap((one) => one.old));
    const rows = replaced.flatMap((one) => one.rows);
    const places = JSON.stringify(rows.map(({ place }) => place));
    const texts = rows.flatMap((row) => row.texts);
    const [done] = await ask<{ ours: boolean }>({
      text: `SELECT ${schema}.compact($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8::text[]) AS ours`,
      values: [stream, run, compacted, upto, isThrough, old, places, texts],
    });
    return done?.ours === true;
  }

  return async ({ endedBefore, maxEvents }) => {
    let left = maxEvents;
    let merged = 0;
    while (left > 0) {
      const due = await nextDue(endedBefore);
      if (due === undefined) return { merged, more: false };
      const done = await compactRun(due, Math.max(left, minRows));
      merged += done.merged;
      left -= done.rows + 1;
    }
    return { merged, more: true };
  };
}

function groupsOf(run: DueRun, rows: readonly EventRow[]): readonly Group[] {
  const groups: Group[] = [];
  for (const row of rows) {
    if (row.run !== run.first_offset || row.units > maxRowUnits) continue;
    const chunk = chunkOf(run.stream, row);
    if (chunk?.firstSeq === undefined) continue;
    let group = groups.at(-1);
    if (group === undefined || group.lastOffset + 1 !== chunk.firstOffset) {
      group = { ...{ old: [], kept: [], firstOffset: chunk.firstOffset }, firstSeq: chunk.firstSeq, lastOffset: 0 };
      groups.push(group);
    }
    const { kept } = group;
    unpackChunk(chunk, (event, cuts) => kept.push({ event, cuts }) > 0);
    group.old.push([row.last_offset, row.crc]);
    group.lastOffset = row.last_offset;
  }
  return groups;
}

interface Replacement {
  readonly old: Group["old"];
  readonly rows: readonly NewRow[];
  readonly merged: number;
}

/** A group written anew, where that saves a row or a delta. */
function replacementOf({ stream }: DueRun, group: Group): Replacement | undefined {
  const joined = joinDeltas(group.kept);
  const events = joined.map(({ event }) => event);
  const cuts = joined.map((kept) => kept.cuts);
  const rows: NewRow[] = [];
  let { firstOffset, firstSeq } = group;
  for (let at = 0; at < events.length; ) {
    const { count, meta, data } = packChunk(events, at, cuts);
    const offsets = cuts.slice(at, at + count).reduce((sum, some) => sum + coverOf(some), 0);
    at += count;
    const lastOffset = firstOffset + offsets - 1;
    const { runId, time } = events[at - 1] ?? { runId: undefined, time: "" };
    const crc = checksum(stream, { firstOffset, firstSeq, runId, meta, data }, lastOffset);
    rows.push({ place: [firstOffset, lastOffset, firstSeq, time, data.length, crc], texts: [meta, data] });
    firstOffset += offsets;
    firstSeq += offsets;
  }
  const merged = group.kept.length - joined.length;
  if (rows.length > group.old.length || (merged === 0 && rows.length === group.old.length)) return undefined;
  return { old: group.old, rows, merged };
}
