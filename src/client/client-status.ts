/** The connection as the application sees it: one immutable value per change. */
import type { ClientSnapshot } from "../../machines/client.ts";
import type { Cursor, Offset } from "../../protocol/ids.ts";

/**
 * `catchingUp` is live with events still to come that were there at the welcome. `waiting` comes back after
 * `retryInMs`; `offline` when the network does; `stopped` only by `start()`.
 */
export type ConnectionState = "connecting" | "live" | "catchingUp" | "waiting" | "offline" | "stopped";

export interface ClientStatus {
  readonly state: ConnectionState;
  /** Attempts since the last good connection. */
  readonly attempt: number;
  /** How long it waits, counted from the moment at which this status was made. */
  readonly retryInMs?: number;
  readonly connectionId?: string;
  readonly userId?: string;
  /** Everything up to here has come. What the application keeps beside its own effects, with the event's offset. */
  readonly cursor?: Cursor;
  /** The end of the stream, as far as is known. */
  readonly head?: Offset;
  readonly lastError?: Error;
  /**
   * The place was lost (an unreadable storage, a stream that was replaced): what comes now may have been handed over
   * before.
   */
  readonly mayRepeat: boolean;
  /** Holes that were refused, each healed by a resume, and events that were dropped because they had come before. */
  readonly holes: number;
  readonly doubles: number;
  /**
   * What the server has said beside the stream since its welcome, by channel: `log`, `spool` and `connection` are breakers
   * that concern this user (`closed`, `open`, `halfOpen`; not named is closed), `auth` is the credential.
   */
  readonly channels: Readonly<Record<string, string>>;
}

export function connectionState({ value }: ClientSnapshot, isBehind: boolean): ConnectionState {
  switch (value) {
    case "live":
      return isBehind ? "catchingUp" : "live";
    case "waiting":
    case "offline":
    case "stopped":
      return value;
    case "idle":
      return "stopped";
    case "authorizing":
    case "connecting":
    case "helloSent":
      return "connecting";
  }
}

/** Whether a listener would see a difference. */
export function isSameStatus(a: ClientStatus, b: ClientStatus): boolean {
  const before = Object.entries(a);
  const after = new Map<string, unknown>(Object.entries(b));
  return before.length === after.size && before.every(([key, value]) => after.has(key) && after.get(key) === value);
}
