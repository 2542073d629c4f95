/**
 * The event log: PORT. One stream per user; a run is a dense sub-sequence of its owner's stream.
 *
 * The laws that every adapter keeps (`testing/event-log-contract` holds each of them to it):
 * - an append is all or nothing, and its promise resolves when it is durable (L6);
 * - offsets are dense per stream, from 1, in commit order, never reused within an epoch; a reader that saw n has
 *   seen all before it (L3, L4);
 * - an append that names a run succeeds only at the expected seq and under the run's newest fence (L14);
 * - the epoch changes whenever history could differ from what a reader has seen;
 * - `watch` rings after the commit and before the append resolves, in commit order.
 */
import type { Mode, OnIllegal, Profile } from "../../protocol/http.ts";
import type { DeviceId, Epoch, Fence, Offset, RunId, Seq, StreamKey, TenantId } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { DeadLettersPage, DeadLettersQuery, QuarantineEntry } from "./dead-letter.ts";
import type { DocumentsQuery, PutAnswer, PutDocument, StoredDocument } from "./documents.ts";
import type { Compact, Compacted, Retire, Retired } from "./housekeeping.ts";
import type { MoveOutbox, OutboxMoved, OutboxPage, OutboxQuery } from "./outbox.ts";

/** An event without its place: what a writer hands in. */
export interface NewEvent {
  readonly id: string;
  readonly type: string;
  /** ISO 8601 UTC. */
  readonly time: string;
  /** JSON text of an object; stored and given back to the letter. */
  readonly data: string;
  readonly threadId?: string | undefined;
  readonly repaired?: boolean | undefined;
  readonly traceparent?: string | undefined;
  /** Idempotency key within the run (or, without a run, within the stream), with a digest of type and data. */
  readonly key?: { readonly name: string; readonly digest: string } | undefined;
}

export interface StoredEvent extends Omit<NewEvent, "key"> {
  readonly offset: Offset;
  readonly runId?: RunId | undefined;
  readonly seq?: Seq | undefined;
  /** Delivered while neither the log nor the spool could take it: gone if the process dies before one of them does. */
  readonly durability?: "none" | undefined;
}

/** What a run is, apart from its events. */
export interface RunRecord {
  readonly runId: RunId;
  readonly tenantId: TenantId;
  readonly stream: StreamKey;
  readonly threadId?: string | undefined;
  readonly agent: string;
  readonly profile: Profile;
  readonly onIllegal: OnIllegal;
  readonly mode: Mode;
  readonly leaseMs: number;
  /** How long it may live. Undefined: as long as it likes. */
  readonly deadlineMs?: number | undefined;
  readonly parentRunId?: RunId | undefined;
  /** Digest of the body that made it: the same call again is answered, another is a conflict. */
  readonly startDigest: string;
  readonly startedAt: string;
  readonly fence: Fence;
  /** Of its newest event. */
  readonly seq: Seq;
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  /** Undefined while it lives. */
  readonly ended?: TerminalState | undefined;
}

export type NewRun = Omit<RunRecord, "fence" | "seq" | "firstOffset" | "lastOffset" | "ended">;

export interface Append {
  readonly stream: StreamKey;
  readonly events: readonly NewEvent[];
  readonly run?: {
    readonly tenantId: TenantId;
    readonly runId: RunId;
    /** The run's seq before this append; 0 with `create`. */
    readonly expectedSeq: Seq;
    /** Undefined: the supervisor's own write, which any fence lets through. */
    readonly fence?: Fence | undefined;
    /** Makes the run, with fence 1. */
    readonly create?: NewRun | undefined;
    /** With `create`: the id was drawn for this run, so nobody can have taken it. A log may ignore it. */
    readonly isNewId?: boolean | undefined;
    /** Set by the batch that holds the terminal. */
    readonly ended?: TerminalState | undefined;
    /**
     * Holds parents and children together in the same step, whoever writes them: a run is made only while the parent that
     * it names lives in its stream, and ends only while no run that lives there names it as its parent.
     */
    readonly asksFamily?: boolean | undefined;
    /** Approvals that this batch opens: makes them findable by id. */
    readonly approvals?: readonly string[] | undefined;
  };
  /** Indexes of the events that get a row in the outbox, ascending. */
  readonly escalate?: readonly number[] | undefined;
  /** `os`: commit without waiting for the disk (`performance` mode). Default `fsync`. */
  readonly durability?: "fsync" | "os" | undefined;
}

export type Appended =
  | {
      readonly kind: "appended";
      readonly epoch: Epoch;
      /** Of the last event; the batch is contiguous. */
      readonly offset: Offset;
      /** Of the last event; 0 without a run. */
      readonly seq: Seq;
      readonly fence: Fence;
      /** It is held in memory only: see `StoredEvent`. A log never answers so. */
      readonly durability?: "none" | undefined;
    }
  /** Nothing was written. */
  | { readonly kind: "run_exists"; readonly run: RunRecord }
  | { readonly kind: "no_run" }
  | { readonly kind: "fenced"; readonly fence: Fence }
  | { readonly kind: "seq_conflict"; readonly seq: Seq }
  | { readonly kind: "run_ended"; readonly ended: TerminalState }
  /** With `asksFamily`: the parent is not there, or has ended. */
  | { readonly kind: "no_parent" }
  /** With `asksFamily`: a child lives. */
  | { readonly kind: "child_lives" }
  /** A key of the batch is known: the writer's picture of the run is old. */
  | { readonly kind: "key_known"; readonly key: string; readonly known: KnownKey };

export interface KnownKey {
  readonly digest: string;
  readonly seq: Seq;
  readonly offset: Offset;
}

export interface Position {
  readonly epoch: Epoch;
  /** First offset that is still there; head + 1 when none is. */
  readonly first: Offset;
  /** Last offset; 0 for a stream that nobody wrote to. */
  readonly head: Offset;
  /** Epochs that ended because events without durability were lost: the cause, where a cursor is of one of them. */
  readonly lostEpochs?: readonly Epoch[] | undefined;
}

/** A range of a stream. */
export interface Slice extends Position {
  /** Ascending. A delta that compaction has merged bears the last offset it covers; a reader from within gets its rest. */
  readonly events: readonly StoredEvent[];
  /**
   * How far this goes: every offset from max(after + 1, first) to here is in `events`, covered by one of them, or in
   * `corrupt`. At least max(after, first - 1).
   */
  readonly upto: Offset;
  /** Offsets of this range whose record failed its checksum: dead-lettered, never delivered. */
  readonly corrupt?: readonly Offset[] | undefined;
}

export interface ReadLimit {
  readonly maxEvents: number;
  /** Sum of the data's lengths; at least one event comes whatever its size. */
  readonly maxBytes: number;
}

/** A stream has grown. `events` are there when this process wrote them: other readers read the log. */
export interface Bell {
  readonly stream: StreamKey;
  readonly epoch: Epoch;
  readonly head: Offset;
  readonly events?: readonly StoredEvent[] | undefined;
  /** Of `events`, those that got a row in the outbox. */
  readonly escalated?: readonly StoredEvent[] | undefined;
}

export interface RunsQuery {
  readonly tenantId?: TenantId | undefined;
  readonly stream?: StreamKey | undefined;
  readonly living?: boolean | undefined;
  /** Opaque, from a former answer. Newest runs first. */
  readonly before?: string | undefined;
  readonly limit: number;
}

export interface SavedCursor {
  readonly stream: StreamKey;
  readonly device: DeviceId;
  readonly offset: Offset;
}

/** Counted from the rows themselves, not from running totals. */
export interface LedgerCount {
  /** What the stream counters say was accepted. */
  readonly accepted: number;
  readonly acked: number;
  readonly stored: number;
  readonly deadLettered: number;
}

/**
 * Every failure of a log is a rejected promise: with `LogUnavailable` the outcome is unknown, not "no"; with `LogFull`
 * nothing was written.
 */
export interface EventLog {
  /** Other processes write to it as well: what is remembered of its documents is asked for again and again. */
  readonly isShared?: boolean | undefined;
  append(append: Append): Promise<Appended>;
  position(stream: StreamKey): Promise<Position>;
  read(stream: StreamKey, after: Offset, limit: ReadLimit): Promise<Slice>;
  /** The living runs at `head`, in one read: a snapshot taken at `head` and the tail after it meet without a seam. */
  living(stream: StreamKey): Promise<Position & { readonly runs: readonly RunRecord[] }>;
  run(tenantId: TenantId, runId: RunId): Promise<RunRecord | undefined>;
  runs(query: RunsQuery): Promise<{ readonly runs: readonly RunRecord[]; readonly next: string | null }>;
  /** A run's events with seq > afterSeq, ascending. */
  readRun(tenantId: TenantId, runId: RunId, afterSeq: Seq, limit: ReadLimit): Promise<readonly StoredEvent[]>;
  /** Known keys of a run (or of a stream's notices, without a run) among `names`. */
  knownKeys(
    owner: { readonly tenantId: TenantId; readonly runId: RunId } | { readonly stream: StreamKey },
    names: readonly string[],
  ): Promise<ReadonlyMap<string, KnownKey>>;
  /** The run that opened an approval. `stream` narrows it to one owner. */
  approval(tenantId: TenantId, approvalId: string, stream?: StreamKey): Promise<RunRecord | undefined>;
  /** Takes a living run over: a fence greater than any before it, or undefined when there is no such living run. */
  claim(tenantId: TenantId, runId: RunId): Promise<{ readonly fence: Fence; readonly seq: Seq } | undefined>;
  /**
   * Moves cursors forward; one that would go back changes nothing. In the same transaction it takes away what waits or is
   * exhausted in the outbox up to there: what is acknowledged needs no notice.
   */
  saveCursors(cursors: readonly SavedCursor[]): Promise<void>;
  cursor(stream: StreamKey, device: DeviceId): Promise<Offset>;
  ledger(stream?: StreamKey): Promise<LedgerCount>;
  /** Keeps an event that may not be shown, with the reason (`onIllegal: "quarantine"`, late events). */
  quarantine(entry: QuarantineEntry): Promise<void>;
  deadLetters(query: DeadLettersQuery): Promise<DeadLettersPage>;
  /** Writes, changes or removes a document; durable like an append. */
  putDocument(put: PutDocument): Promise<PutAnswer>;
  /** Documents of a kind, ascending by key in code points. */
  documents(query: DocumentsQuery): Promise<readonly StoredDocument[]>;
  outbox(query: OutboxQuery): Promise<OutboxPage>;
  /** Moves a row of the outbox, or takes it away; durable like an append. */
  moveOutbox(move: MoveOutbox): Promise<OutboxMoved>;
  /**
   * Removes from each stream the beginning that is older than a moment, in slices. `first` moves up and no offset comes
   * again (L4). A living run holds its stream back: nothing from its first event on goes. An ended run goes whole, with
   * its record, keys and approvals, or stays whole; rows of the outbox go with their events. What was not acknowledged is dead from then on and named (L10).
   *
   * Times ascend along a stream. Where the clock was set back and they do not, what stands between an old and a young
   * event may go with either.
   */
  retire(ask: Retire): Promise<Retired>;
  /**
   * Joins neighbouring bare deltas of one message, in runs that have ended, to one that bears the last of their offsets,
   * seqs and ids. A reader from any offset or seq between them gets exactly the rest of the text. No other event changes.
   */
  compact(ask: Compact): Promise<Compacted>;
  /** Writes something that nobody reads: whether writes succeed again. Absent where they do not fail by themselves. */
  probe?(): Promise<void>;
  /** What waits beside the file to be copied into it. Absent where there is no such thing. */
  walBytes?(): number;
  watch(listener: (bell: Bell) => void): () => void;
  /**
   * Has bells rung here for what other processes append to this stream, until the answer is called. From when the promise
   * resolves none is missed: after a break of whatever carries them the stream is rung once with where it stands then.
   * Absent where only this process writes.
   *
   * Fails: `LogUnavailable`.
   */
  readonly follow?: ((stream: StreamKey) => Promise<() => void>) | undefined;
  /** After what was accepted is durable. */
  close(): Promise<void>;
}
