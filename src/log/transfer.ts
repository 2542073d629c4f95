/**
 * What it takes to move a store into another: PORT, beside the event log's, for `copy-log`. A source gives each stream with
 * all that belongs to it, at the offsets where it stands; a target takes it there, whole or not at all, and only into a
 * store that nobody else has written to. Both have the store for themselves.
 */
import type { DeviceId, Epoch, Offset, Seq, StreamKey } from "../../protocol/ids.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { StoredDocument } from "./documents.ts";
import type { RunRecord } from "./event-log.ts";
import type { Kept } from "./merged-delta.ts";
import type { OutboxRow } from "./outbox.ts";

export interface CopiedRun {
  /** Order of creation over all streams: listings go by it. */
  readonly place: number;
  readonly record: RunRecord;
  readonly approvals: readonly string[];
  /** When it ended, until its deltas are compacted. */
  readonly compactAt?: string | undefined;
  /** Offset up to which they are. */
  readonly compacted: Offset;
}

export interface CopiedKey {
  /** First offset of its run; undefined: of the stream's notices. */
  readonly run?: Offset | undefined;
  readonly name: string;
  readonly digest: string;
  readonly seq: Seq;
  readonly offset: Offset;
}

/** All of a stream but its events. */
export interface StreamBook {
  readonly stream: StreamKey;
  readonly first: Offset;
  readonly head: Offset;
  readonly acked: Offset;
  /** Of the events before `first`, those that died. */
  readonly dead: number;
  /** No event is older. Undefined: there is none, or nobody knows. */
  readonly oldest?: string | undefined;
  /** Offsets that are known to have no sound record. */
  readonly lost: readonly Offset[];
  readonly runs: readonly CopiedRun[];
  readonly keys: readonly CopiedKey[];
  readonly cursors: readonly { readonly device: DeviceId; readonly offset: Offset }[];
  readonly outbox: readonly { readonly place: number; readonly row: OutboxRow }[];
  readonly letters: readonly { readonly place: number; readonly letter: DeadLetter }[];
}

export interface LogSource {
  /** Of its streams. */
  readonly epoch: Epoch;
  /** A Redis Cluster has one for each master: those that the copy does not keep. */
  readonly otherEpochs?: readonly Epoch[] | undefined;
  count(): Promise<{ readonly streams: number; readonly events: number }>;
  streams(): AsyncIterable<StreamKey>;
  book(stream: StreamKey): Promise<StreamBook>;
  /** A page of events behind an offset, ascending; empty at the end. What fails its checksum is left out. */
  events(stream: StreamKey, after: Offset): Promise<readonly Kept[]>;
  /** Pages of all documents but the mark of a move. */
  documents(): AsyncIterable<readonly StoredDocument[]>;
  close(): Promise<void>;
}

export interface LogTarget extends LogSource {
  /** The document that says whose copy this is; undefined: there is none. */
  mark(): Promise<string | undefined>;
  /** Durable when it resolves, with everything that was written before it. */
  setMark(value: string): Promise<void>;
  /** Nothing was ever written to it. */
  isEmpty(): Promise<boolean>;
  /** From now on its streams have this epoch. */
  begin(epoch: Epoch): Promise<void>;
  /** Whether it has been copied, whole. */
  has(stream: StreamKey): Promise<boolean>;
  /** Whole or not at all; what an attempt that ended early has left is replaced. */
  write(book: StreamBook, pages: AsyncIterable<readonly Kept[]>): Promise<void>;
  writeDocuments(documents: readonly StoredDocument[]): Promise<void>;
  /** After the last stream: what is given from now on comes behind what was copied. */
  finish(): Promise<void>;
}

/** Kind of the mark's document. */
export const markKind = "transfer";
export const markKey = "from";
