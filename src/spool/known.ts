/**
 * What this process has seen of its log: how far each stream reaches, and how each run stands. The process is the only
 * writer of its store, so this is the log as it is, also while nobody can ask it; what was met longest ago is forgotten.
 */
import type { Epoch, Fence, Offset, RunId, RunKey, Seq, StreamKey, TenantId } from "../../protocol/ids.ts";
import { runKey } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { Append, NewRun, Position, RunRecord } from "../log/event-log.ts";
import { Lru } from "../log/lru.ts";
import type { Place } from "./entry.ts";

/** Some 10 MB of each at most. */
const maxStreams = 50_000;
const maxRuns = 50_000;

interface KnownStream {
  first: Offset;
  head: Offset;
}

/** Moved on with every append, and put together when somebody asks. */
interface KnownRun {
  readonly base: NewRun & Pick<RunRecord, "firstOffset">;
  fence: Fence;
  seq: Seq;
  lastOffset: Offset;
  ended: TerminalState | undefined;
}

export class Known {
  /** Of the log, as it is now. Undefined until it was met. */
  epoch: Epoch | undefined;
  readonly #streams = new Lru<StreamKey, KnownStream>(maxStreams);
  readonly #runs = new Lru<RunKey, KnownRun>(maxRuns);

  stream(key: StreamKey): Readonly<KnownStream> | undefined {
    return this.#streams.get(key);
  }

  run(tenantId: TenantId, runId: RunId): RunRecord | undefined {
    const known = this.#runs.get(runKey(tenantId, runId));
    if (known === undefined) return undefined;
    const { base, fence, seq, lastOffset, ended } = known;
    return { ...base, fence, seq, lastOffset, ended };
  }

  noteStream(key: StreamKey, { epoch, first, head }: Position): void {
    this.epoch = epoch;
    const known = this.#streams.get(key);
    if (known === undefined) {
      this.#streams.set(key, { first, head });
      this.#streams.trim();
      return;
    }
    // An answer may be older than an append that came in meanwhile.
    known.first = Math.max(known.first, first);
    known.head = Math.max(known.head, head);
  }

  noteRun(record: RunRecord): void {
    const name = runKey(record.tenantId, record.runId);
    const known = this.#runs.get(name);
    if (known !== undefined && known.seq > record.seq) return;
    const { fence, seq, lastOffset, ended } = record;
    this.#runs.set(name, { base: record, fence, seq, lastOffset, ended });
    this.#runs.trim();
  }

  noteClaim(tenantId: TenantId, runId: RunId, fence: Fence): void {
    const known = this.#runs.get(runKey(tenantId, runId));
    if (known !== undefined) known.fence = Math.max(known.fence, fence);
  }

  /** The log has taken it. */
  noteAppend({ stream, run, events }: Append, { epoch, offset, seq, fence }: Place): void {
    this.epoch = epoch;
    const known = this.#streams.get(stream);
    if (known === undefined) this.noteStream(stream, { epoch, first: 1, head: offset });
    else if (known.head < offset) known.head = offset;
    if (run === undefined) return;
    if (run.create !== undefined) {
      const firstOffset = offset + 1 - events.length;
      const { ended } = run;
      return this.noteRun({ ...run.create, fence, seq, firstOffset, lastOffset: offset, ended });
    }
    const moved = this.#runs.get(runKey(run.tenantId, run.runId));
    if (moved === undefined || moved.seq > seq) return;
    moved.fence = fence;
    moved.seq = seq;
    moved.lastOffset = offset;
    moved.ended = run.ended;
  }
}
