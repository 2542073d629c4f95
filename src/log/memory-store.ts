/**
 * What the memory log holds, and its writes: plain and synchronous, each all or nothing because nothing in it can fail
 * half-way. `memory` stands before it and decides when a write happens; `memory-housekeeping` retires and compacts.
 */
import type { DeviceId, Epoch, Fence, Offset, RunId, StreamKey, Seq, TenantId } from "../../protocol/ids.ts";
import { refuseAppend, refuseBirth } from "./append-rules.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { DocumentsQuery, PutAnswer, PutDocument, StoredDocument } from "./documents.ts";
import type {
  Append,
  Appended,
  KnownKey,
  LedgerCount,
  NewRun,
  Position,
  ReadLimit,
  RunRecord,
  SavedCursor,
  Slice,
  StoredEvent,
} from "./event-log.ts";
import { MemoryOutbox } from "./memory-outbox.ts";
import { sliceAfter } from "./memory-slice.ts";
import type { Cuts } from "./merged-delta.ts";
import { escalatedOf, storedEvent } from "./stored-event.ts";

export interface MemoryRun {
  /** Order of creation, from 1. */
  readonly place: number;
  record: RunRecord;
  events: StoredEvent[];
  readonly keys: Map<string, KnownKey>;
  isCompact: boolean;
}

export interface MemoryStream {
  first: Offset;
  head: Offset;
  events: StoredEvent[];
  /** Of the merged deltas among the events, by their offset. */
  readonly cuts: Map<Offset, Cuts>;
  readonly keys: Map<string, KnownKey>;
  readonly cursors: Map<DeviceId, Offset>;
  readonly living: Set<MemoryRun>;
  acked: Offset;
  /** Of the events before `first`, those that nobody had acknowledged. */
  dead: number;
}

export interface Written {
  readonly answer: Appended;
  readonly events: readonly StoredEvent[];
  readonly escalated?: readonly StoredEvent[] | undefined;
}

export class MemoryStore {
  readonly epoch: Epoch;
  readonly streams = new Map<StreamKey, MemoryStream>();
  /** Oldest first, so ascending by place, and within a stream by first offset. */
  runs: MemoryRun[] = [];
  /** Oldest first, each with its place. */
  letters: { readonly place: number; readonly letter: DeadLetter }[] = [];
  readonly outbox = new MemoryOutbox();
  readonly #documents = new Map<string, Map<string, StoredDocument>>();
  readonly #tenants = new Map<TenantId, Map<RunId, MemoryRun>>();
  readonly #approvals = new Map<TenantId, Map<string, Set<MemoryRun>>>();
  #lastRun = 0;
  #lastLetter = 0;

  constructor(epoch: Epoch) {
    this.epoch = epoch;
  }

  position(key: StreamKey): Position {
    const { first, head } = this.streams.get(key) ?? { first: 1, head: 0 };
    return { epoch: this.epoch, first, head };
  }

  read(key: StreamKey, after: Offset, limit: ReadLimit): Slice {
    const position = this.position(key);
    const stream = this.streams.get(key);
    const events = stream === undefined ? [] : sliceAfter(stream.events, stream.cuts, "offset", after, limit);
    return { ...position, events, upto: events.at(-1)?.offset ?? Math.max(after, position.first - 1) };
  }

  readRun(tenantId: TenantId, runId: RunId, afterSeq: Seq, limit: ReadLimit): readonly StoredEvent[] {
    const run = this.run(tenantId, runId);
    const stream = run && this.streams.get(run.record.stream);
    if (run === undefined || stream === undefined) return [];
    return sliceAfter(run.events, stream.cuts, "seq", afterSeq, limit);
  }

  run(tenantId: TenantId, runId: RunId): MemoryRun | undefined {
    return this.#tenants.get(tenantId)?.get(runId);
  }

  append(append: Append): Written {
    const target = append.run;
    const found = target && this.run(target.tenantId, target.runId);
    if (target?.create !== undefined && found !== undefined) {
      return { answer: { kind: "run_exists", run: found.record }, events: [] };
    }
    const answer = target?.create === undefined ? this.#refuse(append, found) : this.#refuseBirth(append, target);
    if (answer !== undefined) return { answer, events: [] };
    const stream = entry(this.streams, append.stream, newStream);
    const run = target?.create === undefined ? found : this.#createRun(target.create, stream);
    let seq = run?.record.seq ?? 0;
    const events = append.events.map((event) => {
      stream.head += 1;
      if (run !== undefined) seq += 1;
      const stored = storedEvent(event, stream.head, run?.record.runId, seq);
      stream.events.push(stored);
      run?.events.push(stored);
      if (event.key !== undefined) {
        (run ?? stream).keys.set(event.key.name, { digest: event.key.digest, seq, offset: stream.head });
      }
      return stored;
    });
    const offset = stream.head;
    const escalated = escalatedOf(append, events);
    for (const event of escalated ?? []) this.outbox.add(append.stream, event);
    if (run === undefined || target === undefined) {
      return { answer: { kind: "appended", epoch: this.epoch, offset, seq: 0, fence: 0 }, events, escalated };
    }
    run.record = { ...run.record, seq, lastOffset: offset, ended: target.ended };
    if (target.ended !== undefined) stream.living.delete(run);
    for (const id of target.approvals ?? []) {
      const ofTenant = entry(this.#approvals, target.tenantId, () => new Map<string, Set<MemoryRun>>());
      entry(ofTenant, id, () => new Set()).add(run);
    }
    return { answer: { kind: "appended", epoch: this.epoch, offset, seq, fence: run.record.fence }, events, escalated };
  }

  claim(tenantId: TenantId, runId: RunId): { readonly fence: Fence; readonly seq: Seq } | undefined {
    const run = this.run(tenantId, runId);
    if (run === undefined || run.record.ended !== undefined) return undefined;
    run.record = { ...run.record, fence: run.record.fence + 1 };
    return { fence: run.record.fence, seq: run.record.seq };
  }

  saveCursor({ stream: key, device, offset }: SavedCursor): void {
    const stream = this.streams.get(key);
    if (stream === undefined || offset > stream.head) return;
    if (offset > (stream.cursors.get(device) ?? 0)) stream.cursors.set(device, offset);
    stream.acked = Math.max(stream.acked, offset);
    this.outbox.acked(key, offset);
  }

  /** Of the runs that opened an approval, the one that was made last. */
  approval(tenantId: TenantId, approvalId: string, stream: StreamKey | undefined): RunRecord | undefined {
    let newest: MemoryRun | undefined;
    for (const run of this.#approvals.get(tenantId)?.get(approvalId) ?? []) {
      if (stream !== undefined && run.record.stream !== stream) continue;
      if (newest === undefined || run.place > newest.place) newest = run;
    }
    return newest?.record;
  }

  ledger(only: StreamKey | undefined): LedgerCount {
    const total = { accepted: 0, acked: 0, stored: 0, deadLettered: 0 };
    for (const [key, { first, head, events, cuts, acked, dead }] of this.streams) {
      if (only !== undefined && key !== only) continue;
      total.accepted += head;
      total.acked += first - 1 - dead;
      total.deadLettered += dead;
      for (const { offset } of events) {
        const cover = cuts.get(offset)?.length ?? 1;
        const ackedOfThem = Math.min(Math.max(acked - (offset - cover), 0), cover);
        total.acked += ackedOfThem;
        total.stored += cover - ackedOfThem;
      }
    }
    return total;
  }

  putDocument({ kind, key, value, expected }: PutDocument): PutAnswer {
    const ofKind = entry(this.#documents, kind, () => new Map<string, StoredDocument>());
    const version = ofKind.get(key)?.version ?? 0;
    if (expected !== undefined && expected !== version) return { kind: "version_conflict", version };
    if (value === undefined) {
      ofKind.delete(key);
      return { kind: "written", version: 0 };
    }
    ofKind.set(key, { kind, key, value, version: version + 1 });
    return { kind: "written", version: version + 1 };
  }

  document(kind: string, key: string): StoredDocument | undefined {
    return this.#documents.get(kind)?.get(key);
  }

  documents({ kind, prefix = "", after = "", limit }: DocumentsQuery): StoredDocument[] {
    const found = [...(this.#documents.get(kind)?.values() ?? [])].filter(
      ({ key }) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0,
    );
    return found.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))).slice(0, limit);
  }

  bury(letter: DeadLetter): void {
    this.#lastLetter += 1;
    this.letters.push({ place: this.#lastLetter, letter });
  }

  /** Takes a run out of every index; its events are the stream's. */
  forget(run: MemoryRun): void {
    const { tenantId, runId } = run.record;
    this.#tenants.get(tenantId)?.delete(runId);
    for (const [id, opened] of this.#approvals.get(tenantId) ?? []) {
      opened.delete(run);
      if (opened.size === 0) this.#approvals.get(tenantId)?.delete(id);
    }
  }

  #refuse(append: Append, found: MemoryRun | undefined): Appended | undefined {
    const stream = this.streams.get(append.stream);
    const known = append.run === undefined ? stream?.keys : found?.keys;
    const childLives = (): boolean =>
      [...(stream?.living ?? [])].some(({ record }) => record.parentRunId === append.run?.runId);
    return refuseAppend(append, append.events, found?.record, (name) => known?.get(name), childLives);
  }

  #refuseBirth(append: Append, { tenantId }: Pick<RunRecord, "tenantId">): Appended | undefined {
    return refuseBirth(append, (parent) => this.run(tenantId, parent)?.record);
  }

  #createRun(create: NewRun, stream: MemoryStream): MemoryRun {
    const firstOffset = stream.head + 1;
    const record = { ...create, fence: 1, seq: 0, firstOffset, lastOffset: firstOffset, ended: undefined };
    this.#lastRun += 1;
    const run: MemoryRun = { place: this.#lastRun, record, events: [], keys: new Map(), isCompact: false };
    entry(this.#tenants, create.tenantId, () => new Map<RunId, MemoryRun>()).set(create.runId, run);
    this.runs.push(run);
    stream.living.add(run);
    return run;
  }
}

function newStream(): MemoryStream {
  return {
    ...{ first: 1, head: 0, acked: 0, dead: 0, events: [] },
    ...{ cuts: new Map(), keys: new Map(), cursors: new Map(), living: new Set() },
  };
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
