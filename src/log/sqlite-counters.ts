/**
 * What the writer of the SQLite log remembers of a stream and of a run, so that an append reads nothing: `sqlite-writer`
 * keeps them, and drops them all when a commit fails.
 */
import type { Fence, RunId, Seq, StreamKey } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { NewRun } from "./event-log.ts";

export interface StreamState {
  readonly id: number;
  readonly key: StreamKey;
  head: number;
  /** No event of it is older; undefined while it has none. */
  oldest: string | undefined;
  /** Whether the file has `oldest`. */
  oldestWritten: boolean;
  /** Whether the file has this head. */
  written: boolean;
}

export interface RunState {
  readonly id: number;
  readonly stream: StreamState["key"];
  readonly runId: RunId;
  readonly firstOffset: number;
  fence: Fence;
  seq: Seq;
  lastOffset: number;
  ended: TerminalState | undefined;
  endedAt: string | undefined;
  /** What its row lacks. `changed`: its fence or end, dearer to write because an index knows who lives. */
  lacks: "nothing" | "progress" | "changed" | RowToInsert;
}

/** A run made in this transaction. Its row is written last, as it is by then: often it has already ended. */
interface RowToInsert {
  readonly stream: number;
  readonly create: NewRun;
}
