/**
 * The event log in one SQLite file, for one process: what an embedded or single-node Runcast keeps its runs in. This
 * side collects appends, rings the bells and answers; the file belongs to a worker thread (`sqlite-worker`), because
 * SQLite blocks the thread that waits for the disk. Unacknowledged writes may be lost; acknowledged ones are not (L6).
 */
import { assertAppend } from "./append-rules.ts";
import { bells } from "./bells.ts";
import { logClosed } from "./closed.ts";
import type { Append, Appended, EventLog, LedgerCount } from "./event-log.ts";
import { pageAfter, pageBefore } from "./page-place.ts";
import type { OtherAnswer, Placed, RareWrite } from "./sqlite-messages.ts";
import { SqliteQueue } from "./sqlite-queue.ts";
import { SqliteReadPath } from "./sqlite-read-path.ts";
import { takeRunEvents, takeSlice } from "./sqlite-slice.ts";
import { SqliteThread } from "./sqlite-thread.ts";
import { escalatedOf, storedEvents } from "./stored-event.ts";

export interface SqliteLogOptions {
  /**
   * The file; made when it is not there. Beside it stand `<path>-wal` and `<path>.epoch`, which belong to it, and
   * `<path>-shm` and `<path>.lock`, which are empty of meaning while no process has it open.
   */
  readonly path: string;
  /** For appends that do not say. `os`: a power cut may lose the newest, a killed process does not. Default `fsync`. */
  readonly durability?: "fsync" | "os" | undefined;
  /** How long another process may hold the file before opening it, or a write, fails. Default 2,000. */
  readonly lockWaitMs?: number | undefined;
  /** Appends that wait for the disk; beyond it they are refused at once. Default 64 MiB. */
  readonly maxWaitingBytes?: number | undefined;
  /** Hears what a listener of `watch` threw. Default: a process warning. */
  readonly onBug?: ((error: unknown) => void) | undefined;
}

const defaultLockWaitMs = 2_000;
const defaultMaxWaitingBytes = 64 * 2 ** 20;
/** What a write costs in memory besides its text. */
const writeOverheadBytes = 200;

/**
 * Opens the file, or makes it, and brings it to this release's schema.
 *
 * Fails: InvalidConfig (a newer schema, another program's file, no such folder); LogUnavailable (another process has
 * the file, the disk does not answer).
 */
export async function openSqliteLog(options: SqliteLogOptions): Promise<EventLog> {
  const { path, lockWaitMs = defaultLockWaitMs, maxWaitingBytes = defaultMaxWaitingBytes } = options;
  const { thread, epoch } = await SqliteThread.open({ path, lockWaitMs, role: "writer" });
  const reads = new SqliteReadPath(thread, { path, lockWaitMs });
  const queue = new SqliteQueue((group) => thread.write(group), maxWaitingBytes);
  const listeners = bells(options.onBug);
  let closing: Promise<void> | undefined;

  function write(what: Append | RareWrite, fsync: boolean, bytes: number): Promise<Placed | OtherAnswer> {
    if (closing !== undefined) return Promise.reject(logClosed());
    return new Promise((settle, fail) => queue.add({ what, fsync, bytes, settle, fail }));
  }

  const read: SqliteReadPath["read"] = (name, ...input) =>
    closing === undefined ? reads.read(name, ...input) : Promise.reject(logClosed());

  function append(what: Append): Promise<Appended> {
    if (closing !== undefined) return Promise.reject(logClosed());
    return new Promise((resolve, reject) => {
      assertAppend(what);
      const settle = (answer: Placed | OtherAnswer) => {
        if ("kind" in answer) return resolve(answer as Appended);
        const [offset, seq, fence] = answer;
        const events = storedEvents(what, offset, seq);
        listeners.ring({ stream: what.stream, epoch, head: offset, events, escalated: escalatedOf(what, events) });
        return resolve({ kind: "appended", epoch, offset, seq, fence });
      };
      const fsync = (what.durability ?? options.durability) !== "os";
      queue.add({ what, fsync, bytes: bytesOf(what), settle, fail: reject });
    });
  }

  return {
    append,
    position: async (stream) => ({ epoch, ...(await read("position", stream)) }),
    read: async (stream, after, limit) => {
      const { first, head, cells, corrupt: lost } = await read("read", stream, after, limit);
      const { events, corrupt, upto } = takeSlice(cells, lost, Math.max(after + 1, first), limit);
      const slice = { epoch, first, head, events, upto };
      return corrupt.length === 0 ? slice : { ...slice, corrupt };
    },
    living: async (stream) => ({ epoch, ...(await read("living", stream)) }),
    run: (tenantId, runId) => read("run", tenantId, runId),
    runs: async (query) => read("runs", query, pageBefore(query.before)),
    readRun: async (tenantId, runId, afterSeq, limit) =>
      takeRunEvents(await read("readRun", tenantId, runId, afterSeq, limit), afterSeq, limit),
    knownKeys: (owner, names) => read("knownKeys", owner, names),
    approval: (tenantId, approvalId, stream) => read("approval", tenantId, approvalId, stream),
    claim: async (tenantId, runId) => {
      const answer = await write({ op: "claim", tenantId, runId }, true, writeOverheadBytes);
      return "kind" in answer && answer.kind === "claimed" ? answer.claim : undefined;
    },
    // A cursor that a power cut takes back is only delivered from again, so it waits for no disk.
    saveCursors: async (cursors) =>
      void (await write({ op: "saveCursors", cursors }, false, cursors.length * writeOverheadBytes)),
    cursor: (stream, device) => read("cursor", stream, device),
    ledger: async (stream) => {
      const total = { accepted: 0, acked: 0, stored: 0, deadLettered: 0 } satisfies LedgerCount;
      for (let from: number | null = 0; from !== null; ) {
        const part: LedgerCount & { readonly next: number | null } = await read("ledger", stream, from);
        for (const name of ["accepted", "acked", "stored", "deadLettered"] as const) total[name] += part[name];
        from = part.next;
      }
      return total;
    },
    quarantine: async (entry) =>
      void (await write({ op: "quarantine", entry }, true, entry.data.length + writeOverheadBytes)),
    deadLetters: async (query) => read("deadLetters", query, pageBefore(query.before)),
    putDocument: async (put) => {
      const answer = await write({ op: "putDocument", put }, true, (put.value?.length ?? 0) + writeOverheadBytes);
      if ("kind" in answer && answer.kind === "put") return answer.put;
      throw new Error("the log's thread answered another question");
    },
    documents: (query) => read("documents", query),
    outbox: async (query) => read("outbox", query, pageAfter(query.after)),
    moveOutbox: async (move) => {
      const answer = await write({ op: "moveOutbox", move }, true, (move.note?.length ?? 0) + writeOverheadBytes);
      if ("kind" in answer && answer.kind === "outbox") return answer.outbox;
      throw new Error("the log's thread answered another question");
    },
    retire: async (ask) => {
      const answer = await write({ op: "retire", ask }, true, writeOverheadBytes);
      if ("kind" in answer && answer.kind === "retired") return answer.retired;
      throw new Error("the log's thread answered another question");
    },
    // The same events either way: what a power cut takes back is compacted again.
    compact: async (ask) => {
      const answer = await write({ op: "compact", ask }, false, writeOverheadBytes);
      if ("kind" in answer && answer.kind === "compacted") return answer.compacted;
      throw new Error("the log's thread answered another question");
    },
    probe: async () => void (await write({ op: "probe" }, true, writeOverheadBytes)),
    walBytes: () => thread.walBytes,
    watch: (listener) => listeners.watch(listener),
    close: () => {
      closing ??= queue
        .idle()
        // The last connection that closes tidies up: the writer's.
        .then(() => reads.close())
        .then(() => thread.close())
        .finally(() => listeners.clear());
      return closing;
    },
  };
}

function bytesOf({ events }: Append): number {
  let bytes = writeOverheadBytes;
  for (const event of events) bytes += event.data.length + writeOverheadBytes;
  return bytes;
}
