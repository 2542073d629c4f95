/**
 * Retention in the SQLite log, inside the writer's transaction. A stream's `first` moves in one step, so that no reader
 * ever sees half of a run; the rows behind it are rubbish from then on and deleted a bounded number at a time.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { asRunId, asTenantId, type RunId, type StreamKey, streamOwner, type TenantId } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import { type Retire, type Retired, type RetiredRange, tierKind } from "./housekeeping.ts";
import { cutOf, latestOf, momentOf, retiredReason, type RunSpan, unackedRange } from "./retire-rules.ts";
import { PreparedStatements } from "./sqlite-prepared.ts";
import { isCorruption, SqliteEvents } from "./sqlite-events.ts";
import { noteHighWater } from "./sqlite-high-water.ts";
import { SqliteLetters } from "./sqlite-letters.ts";
import { timesOf } from "./sqlite-times.ts";

/** What looking at a stream costs, in deleted rows. */
const streamCost = 10;
/** The same of one that is passed over, as its owner's tier keeps what it has. */
const passedCost = 1;
/** After every time: the streams are through, and rubbish is left. */
const streamsDone = "~";

/** Drops what the writer remembers of what is gone. */
export interface Forget {
  stream(key: StreamKey): void;
  run(tenantId: TenantId, runId: RunId): void;
}

interface StreamRow {
  readonly id: number;
  readonly key: StreamKey;
  readonly first: number;
  readonly head: number;
  readonly acked: number;
}

interface RunRow extends RunSpan {
  readonly id: number;
  readonly tenantId: TenantId;
  readonly runId: RunId;
}

export class SqliteRetirement {
  readonly #database: DatabaseSync;
  readonly #events: SqliteEvents;
  readonly #letters: SqliteLetters;
  #isNoted = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#prepared = new PreparedStatements(database);
    this.#events = new SqliteEvents(database);
    this.#letters = new SqliteLetters(database);
  }

  slice(ask: Retire, forget: Forget): Retired {
    this.#isNoted = false;
    let left = ask.maxEvents - this.#letters.forget(ask.before, ask.maxEvents);
    left -= this.#deleteRubbish(left);
    const streams: RetiredRange[] = [];
    const latest = latestOf(ask);
    let [time, id] = placeOf(ask.after);
    while (left > 0 && time !== streamsDone) {
      const next = this.#nextStream(latest, time, id);
      if (next === undefined) {
        time = streamsDone;
        break;
      }
      [time, id] = [next.oldest, next.stream.id];
      const before = momentOf(ask, next.stream.key, ask.tiers && this.#claimOf(next.stream.key));
      if (before === undefined || next.oldest >= before) {
        left -= passedCost;
        continue;
      }
      left -= streamCost;
      const range = this.#guarded(() => this.#retire(next.stream, { ...ask, before }, forget));
      if (range !== undefined) streams.push(range);
    }
    if (time === streamsDone && left > 0) left -= this.#deleteRubbish(left);
    const isThrough = time === streamsDone && left > 0;
    return { streams, next: isThrough ? null : `${time} ${id}` };
  }

  #nextStream(before: string, time: string, id: number): { oldest: string; stream: StreamRow } | undefined {
    const columns = "oldest, id, key, first, head, acked";
    // Apart, so that the index leads to each of them however many are of the same time.
    const found =
      this.#sql(`SELECT ${columns} FROM streams WHERE oldest = ? AND oldest < ? AND id > ? ORDER BY id LIMIT 1`).get(
        time,
        before,
        id,
      ) ??
      this.#sql(`SELECT ${columns} FROM streams WHERE oldest > ? AND oldest < ? ORDER BY oldest, id LIMIT 1`).get(
        time,
        before,
      );
    if (found === undefined) return undefined;
    const [oldest, streamId, key, first, head, acked] = found as unknown as [string, number, string, ...number[]];
    const place = { first: first ?? 1, head: head ?? 0, acked: acked ?? 0 };
    return { oldest, stream: { id: streamId, key: key as StreamKey, ...place } };
  }

  #claimOf(stream: StreamKey): string | undefined {
    const found = this.#sql("SELECT value FROM documents WHERE kind = ? AND key = ?").get(tierKind, stream);
    return (found as unknown as [string] | undefined)?.[0];
  }

  #retire(stream: StreamRow, { before, now, maxEvents }: Retire, forget: Forget): RetiredRange | undefined {
    const { id, key, first, head, acked } = stream;
    const times = timesOf(this.#database, this.#events, stream);
    const seen: RunRow[] = [];
    const cut = cutOf(first, times.oldUpto(before), this.#runsOf(id, seen), maxEvents);
    // Behind the cut only broken records may be left: those are as old as today, since nothing says what they are.
    const oldest = cut === head ? null : (times.firstFrom(cut + 1) ?? now);
    this.#sql("UPDATE streams SET oldest = ? WHERE id = ? AND oldest IS NOT ?").run(oldest, id, oldest);
    forget.stream(key);
    if (cut < first) return undefined;
    this.#noteHighWater();
    for (const run of seen) if (run.lastOffset <= cut) this.#retireRun(run, forget);
    const unacked = unackedRange(first, cut, acked);
    const lostBefore = unacked === undefined ? 0 : this.#countLost(id, unacked.from, cut);
    const lostAcked = this.#countLost(id, first, cut) - lostBefore;
    const fresh = unacked === undefined ? 0 : cut + 1 - unacked.from - lostBefore;
    const dead = fresh + lostBefore + lostAcked;
    this.#sql("UPDATE streams SET first = ?, dead = dead + ? WHERE id = ?").run(cut + 1, dead, id);
    this.#sql("DELETE FROM dead_letters WHERE stream = ? AND offset <= ?").run(id, cut);
    this.#sql("DELETE FROM keys WHERE owner = ? AND offset <= ?").run(-id, cut);
    this.#sql("DELETE FROM outbox WHERE stream = ? AND offset <= ?").run(id, cut);
    this.#sql("INSERT INTO rubbish (owner) VALUES (?) ON CONFLICT DO NOTHING").run(-id);
    if (unacked !== undefined && fresh > 0) {
      const { tenantId } = streamOwner(key);
      const letter = { stream: key, tenantId, ...unacked, events: fresh, reason: retiredReason, time: now };
      this.#letters.buryRetired(id, letter);
    }
    return { stream: key, from: first, upto: cut, deadLettered: fresh };
  }

  *#runsOf(stream: number, seen: RunRow[]): Generator<RunSpan, void, undefined> {
    const select = this.#sql(
      "SELECT id, tenant, run_id, first_offset, last_offset, ended FROM runs WHERE stream = ? ORDER BY id",
    );
    for (const row of select.iterate(stream)) {
      const [id, tenant, name, firstOffset, lastOffset, ended] = row as unknown as [
        ...[number, string, string, number, number],
        TerminalState | null,
      ];
      const span = { firstOffset, lastOffset, ended: ended ?? undefined };
      seen.push({ id, tenantId: asTenantId(tenant), runId: asRunId(name), ...span });
      yield span;
    }
  }

  #retireRun({ id, tenantId, runId }: RunRow, forget: Forget): void {
    this.#sql("DELETE FROM runs WHERE id = ?").run(id);
    this.#sql("DELETE FROM approvals WHERE run = ?").run(id);
    this.#sql("INSERT INTO rubbish (owner) VALUES (?)").run(id);
    forget.run(tenantId, runId);
  }

  #countLost(stream: number, from: number, upto: number): number {
    const select = this.#sql("SELECT count(*) FROM dead_letters WHERE stream = ? AND offset BETWEEN ? AND ?");
    return (select.get(stream, from, upto) as unknown as [number])[0];
  }

  /** Says how much was done. */
  #deleteRubbish(limit: number): number {
    let left = limit;
    while (left > 0) {
      const found = this.#sql("SELECT owner FROM rubbish LIMIT 1").get();
      if (found === undefined) break;
      const [owner] = found as unknown as [number];
      this.#noteHighWater();
      // What cannot even be deleted is left lying: no reader comes there any more.
      const deleted = this.#guarded(() => this.#deleteOf(owner, left)) ?? 0;
      if (deleted < left) this.#sql("DELETE FROM rubbish WHERE owner = ?").run(owner);
      left -= deleted + 1;
    }
    return limit - left;
  }

  #deleteOf(owner: number, limit: number): number {
    if (owner > 0) {
      const some = "SELECT name FROM keys WHERE owner = ? LIMIT ?";
      const remove = this.#sql(`DELETE FROM keys WHERE owner = ? AND name IN (${some})`);
      return Number(remove.run(owner, owner, limit).changes);
    }
    const some = `SELECT row FROM events WHERE stream = ? AND last_offset < (SELECT first FROM streams WHERE id = ?)
      ORDER BY last_offset LIMIT ?`;
    return Number(this.#sql(`DELETE FROM events WHERE row IN (${some})`).run(-owner, -owner, limit).changes);
  }

  /** Once a slice, and only in one that deletes: a sweep that finds nothing writes nothing. */
  #noteHighWater(): void {
    if (this.#isNoted) return;
    noteHighWater(this.#database);
    this.#isNoted = true;
  }

  /** A page that contradicts itself costs its own stream, not the sweep. */
  #guarded<Answer>(work: () => Answer): Answer | undefined {
    this.#database.exec("SAVEPOINT retirement");
    try {
      return work();
    } catch (error) {
      if (!isCorruption(error)) throw error;
      this.#database.exec("ROLLBACK TO retirement");
      return undefined;
    } finally {
      if (this.#database.isTransaction) this.#database.exec("RELEASE retirement");
    }
  }

  readonly #prepared: PreparedStatements;

  #sql(text: string): StatementSync {
    return this.#prepared.of(text);
  }
}

/** The place of the stream that a sweep looked at last. */
function placeOf(after: string | undefined): [time: string, id: number] {
  if (after === undefined) return ["", 0];
  const space = after.lastIndexOf(" ");
  return [after.slice(0, space), Number(after.slice(space + 1))];
}
