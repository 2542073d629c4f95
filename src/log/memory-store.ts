/**
 * What the memory log holds, and its writes: plain and synchronous, each all or nothing because nothing in it can fail
 * half-way. `memory` stands before it and decides when a write happens.
 */
import type { DeviceId, Epoch, Fence, Offset, RunId, Seq, StreamKey, TenantId } from "../../protocol/ids.ts";
import { refuseAppend } from "./append-rules.ts";
import type {
  Append,
  Appended,
  KnownKey,
  NewRun,
  Position,
  QuarantineEntry,
  RunRecord,
  SavedCursor,
  StoredEvent,
} from "./event-log.ts";
import { storedEvent } from "./stored-event.ts";

export interface MemoryRun {
  /** Order of creation, from 1. */
  readonly place: number;
  record: RunRecord;
  readonly events: StoredEvent[];
  readonly keys: Map<string, KnownKey>;
}

export interface MemoryStream {
  readonly events: StoredEvent[];
  readonly keys: Map<string, KnownKey>;
  readonly cursors: Map<DeviceId, Offset>;
  readonly living: Set<MemoryRun>;
  acked: Offset;
}

export type Written = { readonly answer: Appended; readonly events: readonly StoredEvent[] };

export class MemoryStore {
  readonly epoch: Epoch;
  readonly streams = new Map<StreamKey, MemoryStream>();
  /** Oldest first; a run's place is its index + 1. */
  readonly runs: MemoryRun[] = [];
  readonly quarantined: QuarantineEntry[] = [];
  readonly #tenants = new Map<TenantId, Map<RunId, MemoryRun>>();
  readonly #approvals = new Map<TenantId, Map<string, Set<MemoryRun>>>();

  constructor(epoch: Epoch) {
    this.epoch = epoch;
  }

  position(key: StreamKey): Position {
    return { epoch: this.epoch, first: 1, head: this.streams.get(key)?.events.length ?? 0 };
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
    if (target?.create === undefined) {
      const known = target === undefined ? this.streams.get(append.stream)?.keys : found?.keys;
      const answer = refuseAppend(append, append.events, found?.record, (name) => known?.get(name));
      if (answer !== undefined) return { answer, events: [] };
    }
    const stream = entry(this.streams, append.stream, newStream);
    const run = target?.create === undefined ? found : this.#createRun(target.create, stream);
    const events = append.events.map((event) => {
      const offset = stream.events.length + 1;
      const seq = run === undefined ? 0 : run.events.length + 1;
      const stored = storedEvent(event, offset, run?.record.runId, seq);
      stream.events.push(stored);
      run?.events.push(stored);
      if (event.key !== undefined) {
        (run ?? stream).keys.set(event.key.name, { digest: event.key.digest, seq, offset });
      }
      return stored;
    });
    const offset = stream.events.length;
    if (run === undefined || target === undefined) {
      return { answer: { kind: "appended", epoch: this.epoch, offset, seq: 0, fence: 0 }, events };
    }
    run.record = { ...run.record, seq: run.events.length, lastOffset: offset, ended: target.ended };
    if (target.ended !== undefined) stream.living.delete(run);
    for (const id of target.approvals ?? []) {
      const ofTenant = entry(this.#approvals, target.tenantId, () => new Map<string, Set<MemoryRun>>());
      entry(ofTenant, id, () => new Set()).add(run);
    }
    const { seq, fence } = run.record;
    return { answer: { kind: "appended", epoch: this.epoch, offset, seq, fence }, events };
  }

  claim(tenantId: TenantId, runId: RunId): { readonly fence: Fence; readonly seq: Seq } | undefined {
    const run = this.run(tenantId, runId);
    if (run === undefined || run.record.ended !== undefined) return undefined;
    run.record = { ...run.record, fence: run.record.fence + 1 };
    return { fence: run.record.fence, seq: run.record.seq };
  }

  saveCursor({ stream: key, device, offset }: SavedCursor): void {
    const stream = this.streams.get(key);
    if (stream === undefined || offset > stream.events.length) return;
    if (offset > (stream.cursors.get(device) ?? 0)) stream.cursors.set(device, offset);
    stream.acked = Math.max(stream.acked, offset);
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

  #createRun(create: NewRun, stream: MemoryStream): MemoryRun {
    const firstOffset = stream.events.length + 1;
    const record = { ...create, fence: 1, seq: 0, firstOffset, lastOffset: firstOffset, ended: undefined };
    const run: MemoryRun = { place: this.runs.length + 1, record, events: [], keys: new Map() };
    entry(this.#tenants, create.tenantId, () => new Map<RunId, MemoryRun>()).set(create.runId, run);
    this.runs.push(run);
    stream.living.add(run);
    return run;
  }
}

function newStream(): MemoryStream {
  return { events: [], keys: new Map(), cursors: new Map(), living: new Set(), acked: 0 };
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
