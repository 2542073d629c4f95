/**
 * A log between which and the runtime stands a queue that fast-check moves: writes are carried out in the order they
 * were sent, each at a moment of its choosing; reads overtake and come back stale. It can lose a write before or an
 * answer after it, and die with its process.
 */
import type { Scheduler } from "fast-check";
import { LogUnavailable } from "../../src/errors.ts";
import type { Bell, EventLog } from "../../src/log/event-log.ts";

export type Fault = "before" | "after";

export interface ScheduledLog extends EventLog {
  /** The next write fails so. */
  failNext(fault: Fault): void;
  /** The process is gone: nothing of it is carried out or heard any more. */
  kill(): void;
}

/** Every so many bells are another process's. */
const foreignEvery = 3;
const never = new Promise<never>(() => {});
const lost = (): LogUnavailable => new LogUnavailable({ message: "lost", retryAfterMs: 1 });

export function scheduledLog(log: EventLog, scheduler: Scheduler): ScheduledLog {
  const faults: Fault[] = [];
  const stops: (() => void)[] = [];
  let isDead = false;
  let writes: Promise<unknown> = Promise.resolve();
  const pause = (label: string): Promise<void> => scheduler.schedule(Promise.resolve(), label);
  const write =
    <Args extends readonly unknown[], Value>(name: string, call: (...args: Args) => Promise<Value>) =>
    (...args: Args): Promise<Value> => {
      const carriedOut = writes.then(async () => {
        await pause(name);
        if (isDead) return never;
        const fault = faults.shift();
        if (fault === "before") throw lost();
        const value = await call(...args);
        if (fault === "after") throw lost();
        return isDead ? never : value;
      });
      writes = carriedOut.catch(() => {});
      return carriedOut;
    };
  const read =
    <Args extends readonly unknown[], Value>(name: string, call: (...args: Args) => Promise<Value>) =>
    async (...args: Args): Promise<Value> => {
      await pause(`${name} asked`);
      const value = await call(...args);
      await pause(`${name} answered`);
      return isDead ? never : value;
    };
  return {
    append: write("append", log.append),
    claim: write("claim", log.claim),
    saveCursors: write("saveCursors", log.saveCursors),
    quarantine: write("quarantine", log.quarantine),
    putDocument: write("putDocument", log.putDocument),
    documents: read("documents", log.documents),
    outbox: read("outbox", log.outbox),
    moveOutbox: write("moveOutbox", log.moveOutbox),
    retire: write("retire", log.retire),
    compact: write("compact", log.compact),
    deadLetters: read("deadLetters", log.deadLetters),
    position: read("position", log.position),
    read: read("read", log.read),
    living: read("living", log.living),
    run: read("run", log.run),
    runs: read("runs", log.runs),
    readRun: read("readRun", log.readRun),
    knownKeys: read("knownKeys", log.knownKeys),
    approval: read("approval", log.approval),
    cursor: read("cursor", log.cursor),
    ledger: read("ledger", log.ledger),
    watch: (listener: (bell: Bell) => void) => {
      let bells = 0;
      const stop = log.watch(({ events, ...bell }) => {
        if (isDead) return;
        bells += 1;
        // What another process wrote is heard without its events.
        listener(bells % foreignEvery === 0 ? bell : { ...bell, events });
      });
      stops.push(stop);
      return stop;
    },
    close: () => log.close(),
    failNext: (fault) => void faults.push(fault),
    kill: () => {
      isDead = true;
      for (const stop of stops) stop();
    },
  };
}
