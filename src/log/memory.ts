/**
 * The event log in memory: for tests, for `memory:` and as the reference that other adapters are held against (L15).
 * It lives as long as its process. What is written in one turn is committed together in a microtask.
 */
import { assertAppend } from "./append-rules.ts";
import { bells } from "./bells.ts";
import { logClosed } from "./closed.ts";
import { newEpoch } from "./epoch.ts";
import type { EventLog, KnownKey, ReadLimit, StoredEvent } from "./event-log.ts";
import { MemoryStore } from "./memory-store.ts";
import { pageBefore, runsPage } from "./runs-page.ts";

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
        const { answer, events } = store.append(append);
        if (answer.kind === "appended") {
          listeners.ring({ stream: append.stream, epoch: answer.epoch, head: answer.offset, events });
        }
        return answer;
      }),
    position: (stream) => now(() => store.position(stream)),
    read: (stream, after, limit) =>
      now(() => ({
        ...store.position(stream),
        events: slice(store.streams.get(stream)?.events ?? [], after, limit),
      })),
    living: (stream) =>
      now(() => ({
        ...store.position(stream),
        runs: [...(store.streams.get(stream)?.living ?? [])].map((run) => run.record),
      })),
    run: (tenantId, runId) => now(() => store.run(tenantId, runId)?.record),
    runs: (query) =>
      now(() => {
        const before = pageBefore(query.before) ?? Number.POSITIVE_INFINITY;
        const found = store.runs.filter(
          ({ place, record }) =>
            place < before &&
            (query.tenantId === undefined || record.tenantId === query.tenantId) &&
            (query.stream === undefined || record.stream === query.stream) &&
            (query.living === undefined || (record.ended === undefined) === query.living),
        );
        const { page, next } = runsPage(found.reverse(), query.limit);
        return { runs: page.map((run) => run.record), next };
      }),
    readRun: (tenantId, runId, afterSeq, limit) =>
      now(() => slice(store.run(tenantId, runId)?.events ?? [], afterSeq, limit)),
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
    ledger: (stream) =>
      now(() => {
        const total = { accepted: 0, acked: 0, stored: 0, deadLettered: 0 };
        for (const [key, { events, acked }] of store.streams) {
          if (stream !== undefined && key !== stream) continue;
          total.accepted += events.length;
          total.acked += acked;
          total.stored += events.length - acked;
        }
        return total;
      }),
    quarantine: (entry) => inGroup(() => void store.quarantined.push(entry)),
    watch: (listener) => listeners.watch(listener),
    close: async () => {
      // What was accepted stands in `waiting`; its microtask is queued before the one that this function awaits.
      closed = true;
      await Promise.resolve();
      listeners.clear();
    },
  };
}

/** Events after the first `skip` ones, within `limit`: an event's place in the list is its offset, or its seq, less one. */
function slice(events: readonly StoredEvent[], skip: number, limit: ReadLimit): readonly StoredEvent[] {
  const taken: StoredEvent[] = [];
  let bytes = 0;
  for (let at = Math.max(skip, 0); at < events.length && taken.length < limit.maxEvents; at++) {
    const event = events[at];
    if (event === undefined) break;
    bytes += event.data.length;
    if (bytes > limit.maxBytes && taken.length > 0) break;
    taken.push(event);
  }
  return taken;
}
