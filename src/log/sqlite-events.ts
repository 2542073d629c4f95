/**
 * Reading events out of SQLite: in order, within a limit, each held against its checksum. What is broken or gone is
 * named, not thrown: one bad row never hides those behind it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { asRunId, type RunId } from "../../protocol/ids.ts";
import type { ReadLimit, StoredEvent } from "./event-log.ts";
import { Lru } from "./lru.ts";
import { checksum } from "./sqlite-checksum.ts";
import { storedEvent } from "./stored-event.ts";

/** Ids of runs by their number: some 5 MB at most. */
const maxNames = 50_000;

/** SQLite's code for a page that contradicts itself. */
const sqliteCorrupt = 11;

const columns = "offset, run, seq, id, type, time, data, thread, traceparent, repaired, crc";

/** As SQLite gave them. A flipped bit may have changed even a type, so nothing here is believed before the checksum. */
type Columns = readonly [offset: number, run: number | null, ...rest: readonly unknown[]];

export interface StreamRange {
  readonly id: number;
  readonly key: string;
  /** Both inclusive. */
  readonly from: number;
  readonly upto: number;
}

export interface FoundEvents {
  readonly events: StoredEvent[];
  /** Offsets with a broken record, and offsets without one. */
  readonly broken: number[];
  readonly missing: number[];
}

export class SqliteEvents {
  readonly #names = new Lru<number, RunId>(maxNames);
  readonly #selectRange: StatementSync;
  readonly #selectOfRun: StatementSync;
  readonly #selectName: StatementSync;

  constructor(database: DatabaseSync) {
    const range = `SELECT ${columns} FROM events WHERE stream = ? AND offset BETWEEN ? AND ?`;
    this.#selectRange = database.prepare(`${range} ORDER BY offset`);
    this.#selectOfRun = database.prepare(`${range} AND run = ? ORDER BY offset`);
    this.#selectName = database.prepare("SELECT run_id FROM runs WHERE id = ?");
    for (const statement of [this.#selectRange, this.#selectOfRun, this.#selectName]) statement.setReturnArrays(true);
  }

  /** Every offset of the range up to the limit is in one of the three lists. */
  range({ id, key, from, upto }: StreamRange, limit: ReadLimit): FoundEvents {
    const found: FoundEvents = { events: [], broken: [], missing: [] };
    const budget = new Budget(limit);
    let next = from;
    while (next <= upto && !budget.spent) {
      try {
        for (const row of this.#selectRange.iterate(id, next, upto)) {
          const offset = Number((row as unknown as Columns)[0]);
          if (offset < next) continue;
          while (next < offset && budget.takeLost()) found.missing.push(next++);
          if (next < offset) break;
          const event = this.#event(key, row as unknown as Columns);
          if (event === undefined ? !budget.takeLost() : !budget.take(event)) break;
          if (event === undefined) found.broken.push(offset);
          else found.events.push(event);
          next = offset + 1;
        }
        if (budget.spent) break;
        while (next <= upto && budget.takeLost()) found.missing.push(next++);
      } catch (error) {
        // The row at `next` cannot even be looked at: it is set aside, and reading goes on behind it.
        if (!isCorruption(error)) throw error;
        if (budget.takeLost()) found.broken.push(next++);
      }
    }
    return found;
  }

  /** A run's events in the range; broken ones are left out. */
  ofRun(
    run: number,
    { id, key, from, upto }: StreamRange,
    skip: (seq: number) => boolean,
    limit: ReadLimit,
  ): StoredEvent[] {
    const events: StoredEvent[] = [];
    const budget = new Budget(limit);
    let next = from;
    while (next <= upto && !budget.spent) {
      try {
        for (const row of this.#selectOfRun.iterate(id, next, upto, run)) {
          next = Number((row as unknown as Columns)[0]) + 1;
          const event = this.#event(key, row as unknown as Columns);
          if (event === undefined || skip(event.seq ?? 0)) continue;
          if (!budget.take(event)) return events;
          events.push(event);
        }
        break;
      } catch (error) {
        if (!isCorruption(error)) throw error;
        next += 1;
      }
    }
    return events;
  }

  /** Undefined when the row is not what was written. */
  #event(stream: string, row: Columns): StoredEvent | undefined {
    const [offset, run, seq, id, type, time, data, thread, traceparent, repaired, crc] = row;
    const runId = run === null ? undefined : this.#name(run);
    const event = {
      id: id as string,
      type: type as string,
      time: time as string,
      data: data as string,
      threadId: (thread as string | null) ?? undefined,
      traceparent: (traceparent as string | null) ?? undefined,
      repaired: repaired === 1,
    };
    const place = { stream, offset, runId, seq: (seq as number | null) ?? undefined };
    if (typeof data !== "string" || crc !== checksum(place, event)) return undefined;
    return storedEvent(event, offset, runId, place.seq);
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

class Budget {
  readonly #limit: ReadLimit;
  #count = 0;
  #bytes = 0;
  spent = false;

  constructor(limit: ReadLimit) {
    this.#limit = limit;
    this.spent = limit.maxEvents <= 0;
  }

  /** Whether one more event may come; the first one may, whatever its size. */
  take(event: StoredEvent): boolean {
    this.#bytes += event.data.length;
    if (this.#bytes > this.#limit.maxBytes && this.#count > 0) this.spent = true;
    return this.takeLost();
  }

  /** A lost record counts as one of the events that were asked for, so a long broken range is cut too. */
  takeLost(): boolean {
    if (this.#count >= this.#limit.maxEvents) this.spent = true;
    if (!this.spent) this.#count += 1;
    return !this.spent;
  }
}

function isCorruption(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // A flipped bit can also make an integer that no number holds.
  return (
    ("errcode" in error && error.errcode === sqliteCorrupt) || ("code" in error && error.code === "ERR_OUT_OF_RANGE")
  );
}
