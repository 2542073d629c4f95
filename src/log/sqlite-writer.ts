/**
 * The writes of the SQLite log, inside a transaction that `sqlite-store` opens and commits. It keeps the counters of
 * the streams and runs that it met; a failed commit makes them untrue, and the store then drops this writer.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Fence, RunId, RunKey, Seq, StreamKey, TenantId } from "../../protocol/ids.ts";
import { runKey } from "../../protocol/ids.ts";
import { type Refused, refuseAppend, refuseBirth } from "./append-rules.ts";
import type { KnownKey, NewRun, SavedCursor } from "./event-log.ts";
import { Lru } from "./lru.ts";
import type { PackedAppend } from "./sqlite-cells.ts";
import { checksum } from "./sqlite-checksum.ts";
import type { OtherAnswer, Placed, RareWrite } from "./sqlite-messages.ts";
import { SqliteDocuments } from "./sqlite-documents.ts";
import { SqliteOutbox } from "./sqlite-outbox.ts";
import { SqliteCompaction } from "./sqlite-compaction.ts";
import { firstTimeOf } from "./chunk.ts";
import type { RunState, StreamState } from "./sqlite-counters.ts";
import { lastRow, lastRun } from "./sqlite-high-water.ts";
import { SqliteLetters } from "./sqlite-letters.ts";
import { SqliteRetirement } from "./sqlite-retirement.ts";
import { runValues, takeRun } from "./sqlite-run-row.ts";
import { prepareWrites, type WriteStatements } from "./sqlite-statements.ts";

/** Counters kept in memory: some 10 MB of each at most. What has left is read again. */
const maxStreams = 50_000;
const maxRuns = 50_000;

export class SqliteWriter {
  readonly #streams = new Lru<string, StreamState>(maxStreams);
  readonly #runs = new Lru<RunKey, RunState>(maxRuns);
  #grown: StreamState[] = [];
  #touched: RunState[] = [];
  readonly #sql: WriteStatements;
  readonly #letters: SqliteLetters;
  readonly #documents: SqliteDocuments;
  readonly #outbox: SqliteOutbox;
  readonly #retirement: SqliteRetirement;
  readonly #compaction: SqliteCompaction;
  /** What retention took is no longer what the counters say. */
  readonly #forget = {
    stream: (key: StreamKey): void => this.#streams.delete(key),
    run: (tenantId: TenantId, runId: RunId): void => this.#runs.delete(runKey(tenantId, runId)),
  };
  #row: number;
  #probes = 0;
  #lastRun: number;

  constructor(database: DatabaseSync) {
    this.#sql = prepareWrites(database);
    this.#letters = new SqliteLetters(database);
    this.#documents = new SqliteDocuments(database);
    this.#outbox = new SqliteOutbox(database);
    this.#retirement = new SqliteRetirement(database);
    this.#compaction = new SqliteCompaction(database, this.#sql.insertChunk);
    this.#row = lastRow(database);
    this.#lastRun = lastRun(database);
  }

  /** Number of the newest row of `events`. */
  get row(): number {
    return this.#row;
  }

  append(append: PackedAppend): Placed | Refused {
    const target = append.run;
    const found = target && this.#run(target.tenantId, target.runId);
    if (target?.create !== undefined) {
      if (found !== undefined) return this.#runExists(target.tenantId, target.runId);
      const refused = refuseBirth(append, (parent) => this.#run(target.tenantId, parent));
      if (refused !== undefined) return refused;
    } else {
      const knownKey = (name: string): KnownKey | undefined =>
        this.#knownKey(found?.id ?? -(this.#stream(append.stream)?.id ?? 0), name);
      const refused = refuseAppend(append, append.keys, found, knownKey, () => this.#childLives(append));
      if (refused !== undefined) return refused;
    }
    const stream = this.#stream(append.stream) ?? this.#createStream(append.stream);
    const run = target?.create === undefined ? found : this.#createRun(target.create, stream);
    this.#insertEvents(append, stream, run);
    if (run === undefined) return [stream.head, 0, 0];
    run.lastOffset = stream.head;
    run.ended = target?.ended;
    if (run.ended !== undefined) run.endedAt = firstTimeOf(append.chunks.at(-1)?.meta ?? "");
    this.#touch(run, target?.ended === undefined ? "progress" : "changed");
    for (const id of target?.approvals ?? []) this.#sql.insertApproval.run(target?.tenantId ?? "", id, run.id);
    return [stream.head, run.seq, run.fence];
  }

  rare(write: RareWrite): OtherAnswer {
    switch (write.op) {
      case "probe":
        this.#sql.probe.run(`${++this.#probes}`);
        return { kind: "done" };
      case "claim":
        return { kind: "claimed", claim: this.#claim(write.tenantId, write.runId) };
      case "saveCursors":
        for (const cursor of write.cursors) this.#saveCursor(cursor);
        return { kind: "done" };
      case "quarantine": {
        const { stream } = write.entry;
        const { id } = this.#stream(stream) ?? this.#createStream(stream);
        this.#letters.bury(id, { kind: "quarantined", ...write.entry });
        return { kind: "done" };
      }
      case "putDocument":
        return { kind: "put", put: this.#documents.put(write.put) };
      case "moveOutbox":
        return { kind: "outbox", outbox: this.#outbox.move(write.move) };
      case "retire":
        // It looks at rows, and some of this very transaction are not written yet.
        this.flush();
        return { kind: "retired", retired: this.#retirement.slice(write.ask, this.#forget) };
      case "compact":
        this.flush();
        return { kind: "compacted", compacted: this.#compaction.slice(write.ask) };
    }
  }

  /** Writes the counters and the new runs down: the last act before the commit. */
  flush(): void {
    for (const stream of this.#grown) {
      if (stream.oldestWritten) this.#sql.updateStream.run(stream.head, stream.id);
      else this.#sql.fillStream.run(stream.head, stream.oldest ?? null, stream.id);
      stream.written = true;
      stream.oldestWritten = true;
    }
    for (const run of this.#touched) {
      const { id, seq, lastOffset, fence, ended, endedAt, lacks } = run;
      if (typeof lacks === "object") this.#sql.insertRun.run(...runValues(id, lacks.stream, lacks.create, run));
      else if (lacks === "changed") this.#sql.changeRun.run(seq, lastOffset, fence, ended ?? null, endedAt ?? null, id);
      else this.#sql.moveRun.run(seq, lastOffset, id);
      run.lacks = "nothing";
    }
    this.#grown = [];
    this.#touched = [];
  }

  committed(): void {
    this.#streams.trim();
    this.#runs.trim();
  }

  #insertEvents({ chunks, keys, escalations }: PackedAppend, stream: StreamState, run: RunState | undefined): void {
    const [offsetBefore, seqBefore] = [stream.head, run?.seq ?? 0];
    if (stream.oldest === undefined) {
      stream.oldest = firstTimeOf(chunks[0]?.meta ?? "");
      stream.oldestWritten = false;
    }
    for (const { count, meta, data } of chunks) {
      const firstOffset = stream.head + 1;
      const firstSeq = run === undefined ? undefined : run.seq + 1;
      stream.head += count;
      if (run !== undefined) run.seq += count;
      const place = { stream: stream.key, firstOffset, lastOffset: stream.head, runId: run?.runId, firstSeq };
      this.#sql.insertChunk.run(
        ++this.#row,
        stream.id,
        firstOffset,
        stream.head,
        run?.id ?? null,
        firstSeq ?? null,
        meta,
        data,
        checksum(place, meta, data),
      );
    }
    for (const { key, index } of keys) {
      const [owner, seq] = run === undefined ? [-stream.id, 0] : [run.id, seqBefore + 1 + index];
      this.#sql.insertKey.run(owner, key.name, key.digest, seq, offsetBefore + 1 + index);
    }
    this.#outbox.add(stream.id, offsetBefore, run?.runId, escalations);
    if (!stream.written) return;
    stream.written = false;
    this.#grown.push(stream);
  }

  #touch(run: RunState, lacks: "progress" | "changed"): void {
    if (run.lacks === "nothing") this.#touched.push(run);
    if (run.lacks === "nothing" || run.lacks === "progress") run.lacks = lacks;
  }

  #runExists(tenantId: TenantId, runId: RunId): Refused {
    // The row may be older than the counters: another append of this very transaction may have moved them.
    this.flush();
    return { kind: "run_exists", run: takeRun(this.#sql.selectRun.get(tenantId, runId)).record };
  }

  #childLives({ stream, run }: PackedAppend): boolean {
    // Another append of this very transaction may have made or ended it.
    this.flush();
    return this.#sql.selectChild.get(this.#stream(stream)?.id ?? 0, run?.runId ?? "") !== undefined;
  }

  #claim(tenantId: TenantId, runId: RunId): { readonly fence: Fence; readonly seq: Seq } | undefined {
    const run = this.#run(tenantId, runId);
    if (run === undefined || run.ended !== undefined) return undefined;
    run.fence += 1;
    this.#touch(run, "changed");
    return { fence: run.fence, seq: run.seq };
  }

  #saveCursor({ stream: key, device, offset }: SavedCursor): void {
    const stream = this.#stream(key);
    if (stream === undefined || offset > stream.head || offset <= 0) return;
    this.#sql.upsertCursor.run(stream.id, device, offset);
    this.#sql.raiseAcked.run(offset, stream.id, offset);
    this.#outbox.acked(stream.id, offset);
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
    const [id, head, oldest] = found as unknown as [number, number, string | null];
    const stream = { id, key, head, oldest: oldest ?? undefined, oldestWritten: true, written: true };
    this.#streams.set(key, stream);
    return stream;
  }

  #createStream(key: StreamKey): StreamState {
    const id = Number(this.#sql.insertStream.run(key).lastInsertRowid);
    const stream = { id, key, head: 0, oldest: undefined, oldestWritten: true, written: true };
    this.#streams.set(key, stream);
    return stream;
  }

  #run(tenantId: TenantId, runId: RunId): RunState | undefined {
    const name = runKey(tenantId, runId);
    const cached = this.#runs.get(name);
    if (cached !== undefined) return cached;
    const found = this.#sql.selectRun.get(tenantId, runId);
    if (found === undefined) return undefined;
    const { id, record } = takeRun(found);
    const { stream, fence, seq, firstOffset, lastOffset, ended } = record;
    const progress = { firstOffset, fence, seq, lastOffset, ended, endedAt: undefined };
    const run: RunState = { id, stream, runId, ...progress, lacks: "nothing" };
    this.#runs.set(name, run);
    return run;
  }

  #createRun(create: NewRun, stream: StreamState): RunState {
    const { tenantId, runId } = create;
    const firstOffset = stream.head + 1;
    const run: RunState = {
      id: ++this.#lastRun,
      stream: stream.key,
      runId,
      firstOffset,
      fence: 1,
      seq: 0,
      lastOffset: firstOffset,
      ended: undefined,
      endedAt: undefined,
      lacks: { stream: stream.id, create },
    };
    this.#touched.push(run);
    this.#runs.set(runKey(tenantId, runId), run);
    return run;
  }
}
