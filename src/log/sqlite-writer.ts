/**
 * The writes of the SQLite log, inside a transaction that `sqlite-store` opens and commits. It keeps the counters of
 * the streams and runs that it met; a failed commit makes them untrue, and the store then drops this writer.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Fence, RunId, Seq, StreamKey, TenantId } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import { type Refused, refuseAppend } from "./append-rules.ts";
import type { Append, KnownKey, NewRun, SavedCursor } from "./event-log.ts";
import { Lru } from "./lru.ts";
import { checksum } from "./sqlite-checksum.ts";
import type { OtherAnswer, Placed, RareWrite } from "./sqlite-messages.ts";
import { insertRun, runValues, selectRuns, takeRun } from "./sqlite-run-row.ts";

/** Counters kept in memory: some 10 MB of each at most. What has left is read again. */
const maxStreams = 50_000;
const maxRuns = 50_000;

interface StreamState {
  readonly id: number;
  readonly key: StreamKey;
  head: number;
}

interface RunState {
  readonly id: number;
  readonly stream: StreamKey;
  readonly runId: RunId;
  fence: Fence;
  seq: Seq;
  lastOffset: number;
  ended: TerminalState | undefined;
}

export class SqliteWriter {
  readonly #streams = new Lru<string, StreamState>(maxStreams);
  readonly #runs = new Lru<string, RunState>(maxRuns);
  readonly #grown = new Set<StreamState>();
  readonly #moved = new Set<RunState>();
  /** Runs with another fence or an end: rare, and dearer to write because an index knows who lives. */
  readonly #changed = new Set<RunState>();
  readonly #sql: Statements;
  #row: number;

  constructor(database: DatabaseSync) {
    this.#sql = prepare(database);
    this.#row = lastRow(database);
  }

  /** Number of the newest row of `events`. */
  get row(): number {
    return this.#row;
  }

  append(append: Append): Placed | Refused {
    const target = append.run;
    const found = target && this.#run(target.tenantId, target.runId);
    if (target?.create !== undefined) {
      if (found !== undefined) return this.#runExists(target.tenantId, target.runId);
    } else {
      const owner = found === undefined ? -(this.#stream(append.stream)?.id ?? 0) : found.id;
      const refused = refuseAppend(append, found, (name) => this.#knownKey(owner, name));
      if (refused !== undefined) return refused;
    }
    const stream = this.#stream(append.stream) ?? this.#createStream(append.stream);
    const run = target?.create === undefined ? found : this.#createRun(target.create, stream);
    this.#insertEvents(append, stream, run);
    if (run === undefined) return [stream.head, 0, 0];
    run.lastOffset = stream.head;
    this.#moved.add(run);
    if (target?.ended !== undefined) {
      run.ended = target.ended;
      this.#changed.add(run);
    }
    for (const id of target?.approvals ?? []) this.#sql.insertApproval.run(target?.tenantId ?? "", id, run.id);
    return [stream.head, run.seq, run.fence];
  }

  rare(write: RareWrite): OtherAnswer {
    switch (write.op) {
      case "claim":
        return { kind: "claimed", claim: this.#claim(write.tenantId, write.runId) };
      case "saveCursors":
        for (const cursor of write.cursors) this.#saveCursor(cursor);
        return { kind: "done" };
      case "quarantine": {
        const { stream: key, tenantId, runId, type, data, reason, time } = write.entry;
        const stream = this.#stream(key) ?? this.#createStream(key);
        this.#sql.insertQuarantine.run(stream.id, tenantId, runId, type, data, reason, time);
        return { kind: "done" };
      }
    }
  }

  /** Writes the counters down: the last act before the commit. */
  flush(): void {
    for (const { id, head } of this.#grown) this.#sql.updateStream.run(head, id);
    for (const { id, seq, lastOffset } of this.#moved) this.#sql.moveRun.run(seq, lastOffset, id);
    for (const { id, fence, ended } of this.#changed) this.#sql.changeRun.run(fence, ended ?? null, id);
  }

  committed(): void {
    this.#grown.clear();
    this.#moved.clear();
    this.#changed.clear();
    this.#streams.trim();
    this.#runs.trim();
  }

  #insertEvents({ events }: Append, stream: StreamState, run: RunState | undefined): void {
    const owner = run?.id ?? -stream.id;
    for (const event of events) {
      const offset = ++stream.head;
      const seq = run === undefined ? 0 : ++run.seq;
      const place = { stream: stream.key, offset, runId: run?.runId, seq };
      this.#sql.insertEvent.run(
        ++this.#row,
        stream.id,
        offset,
        run?.id ?? null,
        run === undefined ? null : seq,
        event.id,
        event.type,
        event.time,
        event.data,
        event.threadId ?? null,
        event.traceparent ?? null,
        event.repaired === true ? 1 : 0,
        checksum(place, event),
      );
      if (event.key !== undefined) this.#sql.insertKey.run(owner, event.key.name, event.key.digest, seq, offset);
    }
    this.#grown.add(stream);
  }

  #runExists(tenantId: TenantId, runId: RunId): Refused {
    // The row may be older than the counters: another append of this very transaction may have moved them.
    this.flush();
    return { kind: "run_exists", run: takeRun(this.#sql.selectRun.get(tenantId, runId)).record };
  }

  #claim(tenantId: TenantId, runId: RunId): { readonly fence: Fence; readonly seq: Seq } | undefined {
    const run = this.#run(tenantId, runId);
    if (run === undefined || run.ended !== undefined) return undefined;
    run.fence += 1;
    this.#changed.add(run);
    return { fence: run.fence, seq: run.seq };
  }

  #saveCursor({ stream: key, device, offset }: SavedCursor): void {
    const stream = this.#stream(key);
    if (stream === undefined || offset > stream.head || offset <= 0) return;
    this.#sql.upsertCursor.run(stream.id, device, offset);
    this.#sql.raiseAcked.run(offset, stream.id, offset);
  }

  #knownKey(owner: number, name: string): KnownKey | undefined {
    const found = this.#sql.selectKey.get(owner, name);
    if (found === undefined) return undefined;
    const [digest, seq, offset] = found as unknown as [string, number, number];
    return { digest, seq, offset };
  }

  #stream(key: StreamKey): StreamState | undefined {
    const cached = this.#streams.get(key);
    if (cached !== undefined) return cached;
    const found = this.#sql.selectStream.get(key);
    if (found === undefined) return undefined;
    const [id, head] = found as unknown as [number, number];
    const stream = { id, key, head };
    this.#streams.set(key, stream);
    return stream;
  }

  #createStream(key: StreamKey): StreamState {
    const stream = { id: Number(this.#sql.insertStream.run(key).lastInsertRowid), key, head: 0 };
    this.#streams.set(key, stream);
    return stream;
  }

  #run(tenantId: TenantId, runId: RunId): RunState | undefined {
    const name = runName(tenantId, runId);
    const cached = this.#runs.get(name);
    if (cached !== undefined) return cached;
    const found = this.#sql.selectRun.get(tenantId, runId);
    if (found === undefined) return undefined;
    const { id, record } = takeRun(found);
    const { stream, fence, seq, lastOffset, ended } = record;
    const run = { id, stream, runId, fence, seq, lastOffset, ended };
    this.#runs.set(name, run);
    return run;
  }

  #createRun(create: NewRun, stream: StreamState): RunState {
    const { tenantId, runId } = create;
    const firstOffset = stream.head + 1;
    const id = Number(this.#sql.insertRun.run(...runValues(stream.id, create, firstOffset)).lastInsertRowid);
    const run = { id, stream: stream.key, runId, fence: 1, seq: 0, lastOffset: firstOffset, ended: undefined };
    this.#runs.set(runName(tenantId, runId), run);
    return run;
  }
}

/** Injective: the tenant's length stands first. */
const runName = (tenantId: TenantId, runId: RunId) => `${tenantId.length}:${tenantId}:${runId}`;

export function lastRow(database: DatabaseSync): number {
  return Number(database.prepare("SELECT max(row) AS row FROM events").get()?.["row"] ?? 0);
}

type Statements = Readonly<Record<keyof typeof statements, StatementSync>>;

const statements = {
  selectStream: "SELECT id, head FROM streams WHERE key = ?",
  insertStream: "INSERT INTO streams (key) VALUES (?)",
  updateStream: "UPDATE streams SET head = ? WHERE id = ?",
  raiseAcked: "UPDATE streams SET acked = ? WHERE id = ? AND acked < ?",
  selectRun: `${selectRuns} WHERE r.tenant = ? AND r.run_id = ?`,
  insertRun,
  moveRun: "UPDATE runs SET seq = ?, last_offset = ? WHERE id = ?",
  changeRun: "UPDATE runs SET fence = ?, ended = ? WHERE id = ?",
  insertEvent: `INSERT INTO events (row, stream, offset, run, seq, id, type, time, data, thread, traceparent, repaired, crc)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  selectKey: "SELECT digest, seq, offset FROM keys WHERE owner = ? AND name = ?",
  insertKey: "INSERT INTO keys (owner, name, digest, seq, offset) VALUES (?, ?, ?, ?, ?)",
  insertApproval: "INSERT INTO approvals (tenant, approval_id, run) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  upsertCursor: `INSERT INTO cursors (stream, device, offset) VALUES (?, ?, ?)
    ON CONFLICT (stream, device) DO UPDATE SET offset = excluded.offset WHERE excluded.offset > cursors.offset`,
  insertQuarantine: `INSERT INTO quarantine (stream, tenant, run_id, type, data, reason, time)
    VALUES (?, ?, ?, ?, ?, ?, ?)`,
} as const;

function prepare(database: DatabaseSync): Statements {
  const prepared = (Object.entries(statements) as [keyof Statements, string][]).map(([name, sql]) => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return [name, statement] as const;
  });
  return Object.fromEntries(prepared) as Record<keyof Statements, StatementSync>;
}
