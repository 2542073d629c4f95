/**
 * What the threads of the SQLite log say to each other. The main thread has at most one `write` under way, so a read
 * waits behind one commit at most; while that takes long, a second thread answers (`sqlite-read-path`).
 */
import type { Epoch, Fence, RunId, Seq, StreamKey, TenantId } from "../../protocol/ids.ts";
import type { DeadLettersPage, DeadLettersQuery, QuarantineEntry } from "./dead-letter.ts";
import type { DocumentsQuery, PutAnswer, PutDocument, StoredDocument } from "./documents.ts";
import type { Compact, Compacted, Retire, Retired } from "./housekeeping.ts";
import type { KnownKey, LedgerCount, ReadLimit, RunRecord, RunsQuery, SavedCursor } from "./event-log.ts";
import type { MoveOutbox, OutboxMoved, OutboxPage, OutboxQuery } from "./outbox.ts";
import type { Refused } from "./append-rules.ts";
import type { Cell } from "./sqlite-cells.ts";

export interface WorkerOptions {
  readonly path: string;
  /** The writer answers reads too; the reader does nothing else, beside a writer that has the file open. */
  readonly role: "writer" | "reader";
  /** How long the file may be held by somebody else before opening it fails. */
  readonly lockWaitMs: number;
}

/** Writes that are rare next to appends: they cross as objects. */
export type RareWrite =
  /** Proves that the disk takes a write. */
  | { readonly op: "probe" }
  | { readonly op: "claim"; readonly tenantId: TenantId; readonly runId: RunId }
  | { readonly op: "saveCursors"; readonly cursors: readonly SavedCursor[] }
  | { readonly op: "quarantine"; readonly entry: QuarantineEntry }
  | { readonly op: "putDocument"; readonly put: PutDocument }
  | { readonly op: "moveOutbox"; readonly move: MoveOutbox }
  | { readonly op: "retire"; readonly ask: Retire }
  | { readonly op: "compact"; readonly ask: Compact };

/** One transaction. `order` names what comes next: an append out of `cells`, or a rare write. */
export interface WriteGroup {
  readonly order: readonly ("append" | RareWrite)[];
  readonly cells: readonly Cell[];
  /** Whether the commit waits for the disk. */
  readonly fsync: boolean;
}

/** What the writes of a group came to, in their order: an append that was written gives three numbers. */
export type WriteAnswers = readonly (number | OtherAnswer)[];

/** Offset, seq and fence. */
export type Placed = readonly [offset: number, seq: Seq, fence: Fence];

export type OtherAnswer =
  | Refused
  | { readonly kind: "claimed"; readonly claim: { readonly fence: Fence; readonly seq: Seq } | undefined }
  | { readonly kind: "retired"; readonly retired: Retired }
  | { readonly kind: "compacted"; readonly compacted: Compacted }
  | { readonly kind: "put"; readonly put: PutAnswer }
  | { readonly kind: "outbox"; readonly outbox: OutboxMoved }
  | { readonly kind: "done" };

interface Bounds {
  readonly first: number;
  readonly head: number;
}

/** The questions that the worker answers between two commits. Events are cells of chunks that hold at least what was asked for: see `takeSlice`. */
export interface SqliteReads {
  position(stream: StreamKey): Bounds;
  read(
    stream: StreamKey,
    after: number,
    limit: ReadLimit,
  ): Bounds & { readonly cells: Cell[]; readonly corrupt: number[] };
  living(stream: StreamKey): Bounds & { readonly runs: RunRecord[] };
  run(tenantId: TenantId, runId: RunId): RunRecord | undefined;
  runs(
    query: RunsQuery,
    before: number | undefined,
  ): { readonly runs: readonly RunRecord[]; readonly next: string | null };
  readRun(tenantId: TenantId, runId: RunId, afterSeq: Seq, limit: ReadLimit): Cell[];
  knownKeys(
    owner: { readonly tenantId: TenantId; readonly runId: RunId } | { readonly stream: StreamKey },
    names: readonly string[],
  ): Map<string, KnownKey>;
  approval(tenantId: TenantId, approvalId: string, stream: StreamKey | undefined): RunRecord | undefined;
  deadLetters(query: DeadLettersQuery, before: number | undefined): DeadLettersPage;
  documents(query: DocumentsQuery): StoredDocument[];
  outbox(query: OutboxQuery, after: number | undefined): OutboxPage;
  cursor(stream: StreamKey, device: string): number;
  /** A part of the streams, from the place that the part before named; `next` is null after the last. */
  ledger(stream: StreamKey | undefined, from: number): LedgerCount & { readonly next: number | null };
}

export type ToWorker =
  | ({ readonly kind: "write" } & WriteGroup)
  | { readonly kind: "read"; readonly id: number; readonly name: keyof SqliteReads; readonly input: readonly unknown[] }
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "opened"; readonly epoch: Epoch }
  /** `config`: trying again does not help. */
  | { readonly kind: "notOpened"; readonly because: "config" | "unavailable"; readonly message: string }
  | { readonly kind: "written"; readonly answers: WriteAnswers; readonly walBytes: number }
  /** `full`: nothing was written. `unavailable`: what was written is unknown. */
  | { readonly kind: "notWritten"; readonly because: "full" | "unavailable"; readonly message: string }
  | { readonly kind: "answered"; readonly id: number; readonly value: unknown }
  | { readonly kind: "notAnswered"; readonly id: number; readonly message: string }
  | { readonly kind: "closed" };
