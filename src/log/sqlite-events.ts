/**
 * Reading chunks out of SQLite: in order, enough for a limit, each held against its checksum. What is broken or gone is
 * named, not thrown: one bad row never hides those behind it. `sqlite-slice` unpacks them, on the other thread.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { asRunId, type RunId } from "../../protocol/ids.ts";
import type { ReadLimit } from "./event-log.ts";
import { Lru } from "./lru.ts";
import { type Cell, putPlaced } from "./sqlite-cells.ts";
import { checksum } from "./sqlite-checksum.ts";
import { maxChunkOffsets, mergedMark, type PlacedChunk } from "./chunk.ts";

/** Ids of runs by their number: some 5 MB at most. */
const maxNames = 50_000;

/** So many are looked at in one read to find out where the sound rows go on. */
const maxBrokenRows = 4_096;

/** SQLite's code for a page that contradicts itself. */
const sqliteCorrupt = 11;

// The place comes from the index and all else from the table: taken from the index alone, the table's copy of the place
// would never be looked at, and a row that was changed there would pass.
const selectChunks = `SELECT p.last_offset, p.first_offset, e.stream, e.first_offset, e.last_offset, e.run, e.first_seq,
  e.meta, e.data, e.crc FROM events p CROSS JOIN events e ON e.row = p.row
  WHERE p.stream = ? AND p.last_offset BETWEEN ? AND ?`;

/** As SQLite gave them. A flipped bit may have changed even a type, so nothing here is believed before the checksum. */
type Columns = readonly [last: number, first: number, ...row: readonly unknown[]];

export interface StreamRange {
  readonly id: number;
  readonly key: string;
  /** Both inclusive. */
  readonly from: number;
  readonly upto: number;
}

export interface FoundChunks {
  readonly cells: Cell[];
  /** Offsets of the range without a sound record, ascending. */
  readonly corrupt: number[];
  /** These and the rest of their rows, which may begin before the range. */
  readonly dead: number[];
}

export class SqliteEvents {
  readonly #names = new Lru<number, RunId>(maxNames);
  readonly #selectRange: StatementSync;
  readonly #selectOfRun: StatementSync;
  readonly #selectName: StatementSync;

  constructor(database: DatabaseSync) {
    this.#selectRange = database.prepare(`${selectChunks} ORDER BY p.last_offset`);
    this.#selectOfRun = database.prepare(`${selectChunks} AND e.run = ? ORDER BY p.last_offset`);
    this.#selectName = database.prepare("SELECT run_id FROM runs WHERE id = ?");
    for (const statement of [this.#selectRange, this.#selectOfRun, this.#selectName]) statement.setReturnArrays(true);
  }

  /** Every offset of the range, as far as the limit goes, is in a chunk or in `corrupt`. */
  range(range: StreamRange, limit: ReadLimit): FoundChunks {
    const { id, from, upto } = range;
    const found: FoundChunks = { cells: [], corrupt: [], dead: [] };
    const room = new Room(limit);
    let next = from;
    let broken = 0;
    const lose = (until: number): void => {
      for (; next < until && room.left; next++) {
        found.corrupt.push(next);
        found.dead.push(next);
        room.take(1, 0);
      }
    };
    while (next <= upto && room.left) {
      try {
        for (const row of this.#selectRange.iterate(id, next, upto)) {
          const [last, first] = row as unknown as Columns;
          // A flipped bit of the index shows a row out of its turn: where it should stand, it will be missing.
          if (!(last >= next && last <= upto)) continue;
          const chunk = this.#chunk(range, row as unknown as Columns);
          if (chunk === undefined) {
            // Its events are lost unless a sound row has them: also its own last offset may be what is broken.
            setAside(found, likelyFirst(first, last, next), from);
            broken += 1;
            if (broken % maxBrokenRows === 0) lose(last + 1);
            if (!room.left) break;
            continue;
          }
          const start = chunk.firstOffset;
          lose(start);
          if (next < start) break;
          // Of a chunk that began before the range nobody here knows how much of its data is asked for.
          room.take(eventsIn(chunk, last + 1 - next), start < next ? 0 : chunk.data.length);
          putPlaced(found.cells, chunk);
          next = last + 1;
          if (!room.left) break;
        }
        if (room.left) lose(upto + 1);
      } catch (error) {
        // The row at `next` cannot even be looked at: it is set aside, and reading goes on behind it.
        if (!isCorruption(error)) throw error;
        lose(next + 1);
      }
    }
    return found;
  }

  /** A run's chunks in the range; broken ones are left out, and those that end before `fromSeq`. */
  ofRun(run: number, range: StreamRange, fromSeq: number, limit: ReadLimit): Cell[] {
    const cells: Cell[] = [];
    const room = new Room(limit);
    let next = range.from;
    while (next <= range.upto && room.left) {
      try {
        for (const row of this.#selectOfRun.iterate(range.id, next, range.upto, run)) {
          const [last] = row as unknown as Columns;
          if (!(last >= next && last <= range.upto)) continue;
          const chunk = this.#chunk(range, row as unknown as Columns);
          if (chunk?.firstSeq === undefined) continue;
          next = last + 1;
          const endSeq = chunk.firstSeq + (last + 1 - chunk.firstOffset);
          if (endSeq <= fromSeq) continue;
          putPlaced(cells, chunk);
          const offsets = endSeq - Math.max(chunk.firstSeq, fromSeq);
          room.take(eventsIn(chunk, offsets), chunk.firstSeq < fromSeq ? 0 : chunk.data.length);
          if (!room.left) break;
        }
        break;
      } catch (error) {
        if (!isCorruption(error)) throw error;
        next += 1;
      }
    }
    return cells;
  }

  /** The sound chunk that ends at an offset, if there is one. */
  endingAt(stream: Pick<StreamRange, "id" | "key">, offset: number): PlacedChunk | undefined {
    try {
      const [row] = this.#selectRange.all(stream.id, offset, offset);
      return row === undefined ? undefined : this.#chunk(stream, row as unknown as Columns);
    } catch (error) {
      if (!isCorruption(error)) throw error;
      return undefined;
    }
  }

  /** Undefined when the row is not what was written. */
  #chunk({ id, key }: Pick<StreamRange, "id" | "key">, columns: Columns): PlacedChunk | undefined {
    const [last, first, stream, firstOffset, lastOffset, run, firstSeqOrNull, meta, data, crc] = columns;
    if (stream !== id || firstOffset !== first || lastOffset !== last) return undefined;
    if (typeof meta !== "string" || typeof data !== "string") return undefined;
    const runId = typeof run === "number" ? this.#name(run) : undefined;
    const firstSeq = (firstSeqOrNull as number | null) ?? undefined;
    const place = { stream: key, firstOffset: first, lastOffset: last, runId, firstSeq };
    return crc === checksum(place, meta, data) ? { firstOffset: first, runId, firstSeq, meta, data } : undefined;
  }

  #name(run: number): RunId | undefined {
    const cached = this.#names.get(run);
    if (cached !== undefined) return cached;
    const found = this.#selectName.get(run);
    if (found === undefined) return undefined;
    const name = asRunId(String((found as unknown as [string])[0]));
    this.#names.set(run, name);
    this.#names.trim();
    return name;
  }
}

/** How many events of a chunk are surely among so many of its offsets. */
const eventsIn = ({ meta }: PlacedChunk, offsets: number): number => (meta.includes(mergedMark) ? 1 : offsets);

/** Where a broken row began: what the index says, unless no chunk is that long. */
function likelyFirst(first: number, last: number, next: number): number {
  const isLikely = first <= last && last - first < maxChunkOffsets;
  return isLikely ? Math.max(first, 1) : Math.max(next, last + 1 - maxChunkOffsets);
}

/** A broken row leaves the ledger's count as a whole, also when only its end was asked for. */
function setAside(found: FoundChunks, start: number, from: number): void {
  for (let offset = start; offset < from; offset++) found.dead.push(offset);
}

/** How much may still come. Generous: what is asked for is cut to the letter where the chunks are unpacked. */
class Room {
  #events: number;
  #bytes: number;

  constructor({ maxEvents, maxBytes }: ReadLimit) {
    this.#events = maxEvents;
    this.#bytes = maxBytes;
  }

  get left(): boolean {
    return this.#events > 0 && this.#bytes >= 0;
  }

  take(events: number, bytes: number): void {
    this.#events -= events;
    this.#bytes -= bytes;
  }
}

export function isCorruption(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // A flipped bit can also make an integer that no number holds.
  return (
    ("errcode" in error && error.errcode === sqliteCorrupt) || ("code" in error && error.code === "ERR_OUT_OF_RANGE")
  );
}
