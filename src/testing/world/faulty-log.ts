/**
 * A log whose failures are ordered: it hands every call on to a real one, loses appends before the write or answers
 * after it, goes down and comes back, stands still, and dies with its process. Between a runtime and its store.
 */
import { LogUnavailable } from "../../errors.ts";
import { logRetryAfterMs } from "../../log/closed.ts";
import type { EventLog } from "../../log/event-log.ts";

/** `unavailable`: nothing is written. `unknown`: it is written, and the answer is lost. */
export type AppendFault = "unavailable" | "unknown";

/** What a test can do to the log of a process. */
export interface LogFaults {
  /** The next appends fail so, one after the other; both reject with `LogUnavailable`. */
  failAppend(...faults: readonly AppendFault[]): void;
  /** While down, every call fails and nothing is written. */
  setDown(isDown: boolean): void;
  /** From now on no write is carried out and none is answered, until the answer is called: then all are, in order. */
  holdWrites(): () => void;
}

export interface FaultyLog extends EventLog, LogFaults {
  /** Carries out what is held. */
  release(): void;
  /** The process is gone: nothing of it is carried out, answered or heard any more. */
  kill(): void;
}

/** Called before each append is carried out; what it waits for, the append and all writes behind it wait for. */
export type AppendGate = () => Promise<void>;

const never = new Promise<never>(() => {});
const lost = (message: string): LogUnavailable => new LogUnavailable({ message, retryAfterMs: logRetryAfterMs });

export function faultyLog(log: EventLog, gate?: AppendGate): FaultyLog {
  const faults: AppendFault[] = [];
  const unwatches: (() => void)[] = [];
  let isDown = false;
  let isDead = false;
  let held: PromiseWithResolvers<void> | undefined;
  /** Writes that wait for their turn; who comes later stands behind them. */
  let waiting = 0;
  let line: Promise<unknown> = Promise.resolve();

  const release = (): void => {
    held?.resolve();
    held = undefined;
  };
  const pass = async <Value>(call: () => Promise<Value>): Promise<Value> => {
    if (isDead) return never;
    if (isDown) throw lost("the log is down");
    const value = await call();
    return isDead ? never : value;
  };
  const read =
    <Args extends readonly unknown[], Value>(call: (...args: Args) => Promise<Value>) =>
    (...args: Args): Promise<Value> =>
      pass(() => call(...args));
  const write =
    <Args extends readonly unknown[], Value>(call: (...args: Args) => Promise<Value>, before?: AppendGate) =>
    (...args: Args): Promise<Value> => {
      if (waiting === 0 && held === undefined && before === undefined) return pass(() => call(...args));
      waiting += 1;
      const turn = line.then(async () => {
        await held?.promise;
        await before?.();
        return pass(() => call(...args));
      });
      line = turn.then(
        () => {
          waiting -= 1;
        },
        () => {
          waiting -= 1;
        },
      );
      return turn;
    };
  const append: EventLog["append"] = async (wanted) => {
    const fault = faults.shift();
    if (fault === "unavailable") throw lost("the append did not reach the log");
    const answer = await log.append(wanted);
    if (fault === "unknown") throw lost("the answer of the append was lost");
    return answer;
  };
  return {
    isShared: log.isShared,
    append: write(append, gate),
    claim: write(log.claim),
    saveCursors: write(log.saveCursors),
    quarantine: write(log.quarantine),
    putDocument: write(log.putDocument),
    moveOutbox: write(log.moveOutbox),
    retire: write(log.retire),
    compact: write(log.compact),
    deadLetters: read(log.deadLetters),
    documents: read(log.documents),
    outbox: read(log.outbox),
    position: read(log.position),
    read: read(log.read),
    living: read(log.living),
    run: read(log.run),
    runs: read(log.runs),
    readRun: read(log.readRun),
    knownKeys: read(log.knownKeys),
    approval: read(log.approval),
    cursor: read(log.cursor),
    ledger: read(log.ledger),
    watch: (listener) => {
      const unwatch = log.watch(listener);
      unwatches.push(unwatch);
      return unwatch;
    },
    ...(log.follow && { follow: read(log.follow) }),
    close: () => (isDead ? never : log.close()),
    failAppend: (...next) => void faults.push(...next),
    setDown: (down) => {
      isDown = down;
    },
    holdWrites: () => {
      held ??= Promise.withResolvers();
      return release;
    },
    release,
    kill: () => {
      isDead = true;
      for (const unwatch of unwatches) unwatch();
    },
  };
}
