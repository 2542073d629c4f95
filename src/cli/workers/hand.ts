/** A worker as its primary holds it: PORT of the crew, and its adapter over `node:cluster`. */
import type { Worker } from "node:cluster";
import type { Begin, ToPrimary, ToWorker } from "./messages.ts";

export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface Hand {
  readonly pid: number;
  /** Its URL, once it takes connections. Undefined: it has ended before. */
  readonly ready: Promise<string | undefined>;
  readonly ended: Promise<Ending>;
  tell(message: ToWorker): void;
  kill(): void;
}

/** `onMessage` hears what concerns the whole: everything but that it is here and ready. */
export function clusterHand(worker: Worker, begin: Begin, onMessage: (message: ToPrimary, hand: Hand) => void): Hand {
  const ready = Promise.withResolvers<string | undefined>();
  const ended = Promise.withResolvers<Ending>();
  worker.on("exit", (code, signal) => {
    ended.resolve({ code, signal });
    ready.resolve(undefined);
  });
  // What is said to one that is just dying is lost with it.
  worker.on("error", () => {});
  /** What is said before it listens waits until it does. */
  let early: ToWorker[] | undefined = [];
  const hand: Hand = {
    pid: worker.process.pid ?? 0,
    ready: ready.promise,
    ended: ended.promise,
    tell: (message) => {
      if (early !== undefined) early.push(message);
      else if (worker.isConnected()) worker.send(message, () => {});
    },
    kill: () => void worker.process.kill("SIGKILL"),
  };
  worker.on("message", (message: ToPrimary) => {
    if (message.kind === "here") {
      const waiting = [begin, ...(early ?? [])];
      early = undefined;
      for (const said of waiting) hand.tell(said);
    } else if (message.kind === "ready") ready.resolve(message.url);
    else onMessage(message, hand);
  });
  return hand;
}
