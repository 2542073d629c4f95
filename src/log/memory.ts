/**
 * The event log in memory: for tests, for `memory:` and as the reference that other adapters are held against (L15).
 * It lives as long as its process. What is written in one turn is committed together in a microtask.
 */
import { assertAppend } from "./append-rules.ts";
import { bells } from "./bells.ts";
import { logClosed } from "./closed.ts";
import { newEpoch } from "./epoch.ts";
import type { EventLog, KnownKey } from "./event-log.ts";
import { compact, retire } from "./memory-housekeeping.ts";
import { MemoryStore } from "./memory-store.ts";
import { pageBefore } from "./page-place.ts";
import { runsPage } from "./runs-page.ts";

export interface MemoryLogOptions {
  /** `Clock.random`: draws the epoch. */
  readonly random?: ((count: number) => Uint8Array) | undefined;
  /** Hears what a listener of `watch` threw. Default: a process warning. */
  readonly onBug?: ((error: unknown) => void) | undefined;
}

export function memoryLog(options: MemoryLogOptions = {}): EventLog {
  const store = new MemoryStore(newEpoch(options.random));
  const listeners = bells(options.onBug);
  let waiting: (() => void)[] = [];
  let closed = false;

  function commitAll(): void {
    const group = waiting;
    waiting = [];
    for (const commit of group) commit();
  }

  /** Does `work` in the next group, in call order with everything else that writes. */
  function inGroup<Answer>(work: () => Answer): Promise<Answer> {
    if (closed) return Promise.reject(logClosed());
    return new Promise((resolve, reject) => {
      const commit = () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      if (waiting.push(commit) === 1) queueMicrotask(commitAll);
    });
  }

  async function now<Answer>(work: () => Answer): Promise<Answer> {
    if (closed) throw logClosed();
    return work();
  }

  return {
    append: (append) =>
      inGroup(() => {
        assertAppend(append);
        const { answer, events, escalated } = store.append(append);
        if (answer.kind === "appended") {
          listeners.ring({ stream: append.stream, epoch: answer.epoch, head: answer.offset, events, escalated });
        }
        return answer;
      }),
    position: (stream) => now(() => store.position(stream)),
    read: (stream, after, limit) => now(() => store.read(stream, after, limit)),
    living: (stream) =>
      now(() => ({
        ...store.position(stream),
        runs: [...(store.streams.get(stream)?.living ?? [])].map((run) => run.record),
      })),
    run: (tenantId, runId) => now(() => store.run(tenantId, runId)?.record),
    runs: (query) =>
      now(() => {
        const before = pageBefore(query.before) ?? Number.POSITIVE_INFINITY;
        const placed = store.runs.map(({ place, record }) => ({
          place: query.stream === undefined ? place : record.firstOffset,
          record,
        }));
        const found = placed.filter(
          ({ place, record }) =>
            place < before &&
            (query.tenantId === undefined || record.tenantId === query.tenantId) &&
            (query.stream === undefined || record.stream === query.stream) &&
            (query.living === undefined || (record.ended === undefined) === query.living),
        );
        const { page, next } = runsPage(found.reverse(), query.limit);
        return { runs: page.map((run) => run.record), next };
      }),
    readRun: (tenantId, runId, afterSeq, limit) => now(() => store.readRun(tenantId, runId, afterSeq, limit)),
    knownKeys: (owner, names) =>
      now(() => {
        const keys = ("runId" in owner ? store.run(owner.tenantId, owner.runId) : store.streams.get(owner.stream))
          ?.keys;
        const known = new Map<string, KnownKey>();
        for (const name of names) {
          const key = keys?.get(name);
          if (key !== undefined) known.set(name, key);
        }
        return known;
      }),
    approval: (tenantId, approvalId, stream) => now(() => store.approval(tenantId, approvalId, stream)),
    claim: (tenantId, runId) => inGroup(() => store.claim(tenantId, runId)),
    saveCursors: (cursors) => inGroup(() => cursors.forEach((cursor) => store.saveCursor(cursor))),
    cursor: (stream, device) => now(() => store.streams.get(stream)?.cursors.get(device) ?? 0),
    ledger: (stream) => now(() => store.ledger(stream)),
    quarantine: (entry) => inGroup(() => store.bury({ kind: "quarantined", ...entry })),
    deadLetters: (query) =>
      now(() => {
        const before = pageBefore(query.before) ?? Number.POSITIVE_INFINITY;
        const found = store.letters.filter(
          ({ place, letter }) =>
            place < before &&
            (query.tenantId === undefined || letter.tenantId === query.tenantId) &&
            (query.stream === undefined || letter.stream === query.stream) &&
            (query.runId === undefined || (letter.kind === "quarantined" && letter.runId === query.runId)),
        );
        const { page, next } = runsPage(found.reverse(), query.limit);
        return { entries: page.map(({ letter }) => letter), next };
      }),
    putDocument: (put) => inGroup(() => store.putDocument(put)),
    documents: (query) => now(() => store.documents(query)),
    outbox: (query) => now(() => store.outbox.page(query)),
    moveOutbox: (move) =>
      inGroup(() => store.outbox.move(move, (store.streams.get(move.stream)?.acked ?? 0) >= move.offset)),
    retire: (ask) => inGroup(() => retire(store, ask)),
    compact: (ask) => inGroup(() => compact(store, ask)),
    watch: (listener) => listeners.watch(listener),
    close: async () => {
      // What was accepted stands in `waiting`; its microtask is queued before the one that this function awaits.
      closed = true;
      await Promise.resolve();
      listeners.clear();
    },
  };
}
