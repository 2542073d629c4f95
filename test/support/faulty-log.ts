/**
 * A log whose failures are ordered by the test: it hands every call on to a real one, and loses appends before or
 * answers after the write, as a network or a disk would.
 */
import { LogUnavailable } from "../../src/errors.ts";
import type { EventLog } from "../../src/log/event-log.ts";

/** `before`: nothing is written. `after`: it is written, and the answer is lost. */
export type Fault = "before" | "after";

export interface FaultyLog extends EventLog {
  /** The next append fails so. Several stand in line. */
  failAppend(...faults: readonly Fault[]): void;
  /** While down, every call fails and nothing is written. */
  setDown(isDown: boolean): void;
}

const lost = (): LogUnavailable => new LogUnavailable({ message: "the answer was lost", retryAfterMs: 10 });

export function faultyLog(log: EventLog): FaultyLog {
  const faults: Fault[] = [];
  let isDown = false;
  const guarded = <Arguments extends readonly unknown[], Value>(call: (...args: Arguments) => Promise<Value>) => {
    return (...args: Arguments): Promise<Value> => (isDown ? Promise.reject(lost()) : call(...args));
  };
  return {
    isShared: log.isShared,
    append: async (append) => {
      const fault = isDown ? "before" : faults.shift();
      if (fault === "before") throw lost();
      const answer = await log.append(append);
      if (fault === "after") throw lost();
      return answer;
    },
    position: guarded(log.position),
    read: guarded(log.read),
    living: guarded(log.living),
    run: guarded(log.run),
    runs: guarded(log.runs),
    readRun: guarded(log.readRun),
    knownKeys: guarded(log.knownKeys),
    approval: guarded(log.approval),
    claim: guarded(log.claim),
    saveCursors: guarded(log.saveCursors),
    cursor: guarded(log.cursor),
    ledger: guarded(log.ledger),
    quarantine: guarded(log.quarantine),
    deadLetters: guarded(log.deadLetters),
    putDocument: guarded(log.putDocument),
    documents: guarded(log.documents),
    outbox: guarded(log.outbox),
    moveOutbox: guarded(log.moveOutbox),
    retire: guarded(log.retire),
    compact: guarded(log.compact),
    watch: (listener) => log.watch(listener),
    ...(log.follow && { follow: guarded(log.follow) }),
    close: () => log.close(),
    failAppend: (...next) => void faults.push(...next),
    setDown: (down) => {
      isDown = down;
    },
  };
}
