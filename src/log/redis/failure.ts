/**
 * What a failed command means: `LogFull` where the server says that it has no room and wrote nothing, `LogUnavailable` for
 * everything else. A server that says that it is not the one to write to is left, so that the next call looks for that one.
 */
import { LogFull, LogUnavailable } from "../../errors.ts";
import { logRetryAfterMs } from "../closed.ts";

const full: Readonly<Record<string, string>> = {
  OOM: "the Redis server is at its maxmemory: nothing was written",
  MISCONF: "the Redis server cannot write to its disk, and takes no writes: nothing was written",
};

const wordOf = (error: unknown): string => (error instanceof Error ? (/^[A-Z]+/.exec(error.message)?.[0] ?? "") : "");

export function failureOf(error: unknown): LogFull | LogUnavailable {
  if (error instanceof LogUnavailable || error instanceof LogFull) return error;
  const message = full[wordOf(error)];
  if (message !== undefined) return new LogFull({ message, retryAfterMs: logRetryAfterMs });
  return unavailable("the Redis server did not take it", error);
}

export function unavailable(message: string, cause?: unknown): LogUnavailable {
  return new LogUnavailable({ message, retryAfterMs: logRetryAfterMs, cause });
}

/** The key's slot is at another server, for this command (`isOnce`) or from now on: nothing was done. */
export class Moved extends Error {
  readonly slot: number;
  readonly host: string;
  readonly port: number;
  readonly isOnce: boolean;

  constructor(word: string, slot: string, address: string) {
    super(`slot ${slot} is elsewhere`);
    const colon = address.lastIndexOf(":");
    this.slot = Number(slot);
    this.host = address.slice(0, colon);
    this.port = Number(address.slice(colon + 1));
    this.isOnce = word === "ASK";
  }
}

export function movedOf(error: unknown): Moved | undefined {
  const found = error instanceof Error ? /^(MOVED|ASK) (\d+) (\S+)/.exec(error.message) : null;
  return found === null ? undefined : new Moved(found[1] ?? "", found[2] ?? "", found[3] ?? "");
}

/** The server is not, or not yet, one to write to. */
export const isElsewhere = (error: unknown): boolean =>
  ["READONLY", "LOADING", "MASTERDOWN", "NOAUTH"].includes(wordOf(error));

export const isUnknownScript = (error: unknown): boolean => wordOf(error) === "NOSCRIPT";
