/**
 * The test kit that the event-log contract runs in, and what a law of it is. No runner is imported: whoever writes an
 * adapter hands in the `describe`, `it` and `expect` of their own (vitest, jest and bun fit).
 */
import type { EventLog } from "../../log/event-log.ts";

export interface Expectation {
  toBe(value: unknown): void;
  /** Deep; a field that is undefined equals one that is not there. */
  toEqual(value: unknown): void;
  toMatchObject(value: object): void;
  toBeGreaterThan(value: number): void;
  toBeUndefined(): void;
}

export interface TestKit {
  readonly describe: (name: string, body: () => void) => void;
  readonly it: (sentence: string, body: () => Promise<void>) => void;
  readonly expect: (value: unknown, message?: string) => Expectation;
}

export interface MadeLog {
  /** Empty. */
  readonly log: EventLog;
  /** Closes the newest log and opens its storage again. Needed where the log persists. */
  readonly reopen?: (() => Promise<EventLog>) | undefined;
  /** Closes what is open and removes the storage. */
  readonly dispose: () => Promise<void>;
}

export interface LawBook {
  readonly law: (sentence: string, body: (log: EventLog, made: MadeLog) => Promise<void>) => void;
  readonly expect: TestKit["expect"];
}

/** What a promise was rejected with; fails when it was not. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  throw new Error("the promise was not rejected");
}
