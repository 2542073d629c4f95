/**
 * A log whose commits are ordered from outside, as the model's are: an append waits, unsynced, until `commit`; a crash
 * loses what waits. Everything else goes through to the real one.
 */
import type { Appended, EventLog } from "../../src/log/event-log.ts";

export interface CommittedLog extends EventLog {
  /** Appends that wait for the commit. */
  readonly waiting: number;
  commit(): Promise<void>;
  /** The process is gone: what waits is lost, and nothing is heard any more. */
  crash(): void;
}

export function committedLog(log: EventLog): CommittedLog {
  let waiting: (() => Promise<unknown>)[] = [];
  const stops: (() => void)[] = [];
  return {
    ...log,
    get waiting() {
      return waiting.length;
    },
    append: (append) =>
      new Promise<Appended>((resolve, reject) => {
        waiting.push(() => log.append(append).then(resolve, reject));
      }),
    watch: (listener) => {
      const stop = log.watch(listener);
      stops.push(stop);
      return stop;
    },
    commit: async () => {
      const group = waiting;
      waiting = [];
      await Promise.all(group.map((write) => write()));
    },
    crash: () => {
      waiting = [];
      for (const stop of stops.splice(0)) stop();
    },
  };
}
