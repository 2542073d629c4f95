/**
 * Connections to a Redis server, through the optional package `redis`: for the log and for the spool. None of them ever
 * repairs itself: what was sent on one that broke is never sent again, and whoever needs another dials anew (L6: a write is
 * sent once or not at all).
 */
import { InvalidConfig } from "../errors.ts";
import { type TimeLimit, within } from "./within.ts";

export interface RawConnection {
  sendCommand(words: readonly string[]): Promise<unknown>;
  sSubscribe(channel: string, hear: (message: string, channel: string) => void): Promise<void>;
  sUnsubscribe(channel: string, hear: (message: string, channel: string) => void): Promise<void>;
  on(event: "error" | "end" | "sharded-channel-moved", listener: () => void): unknown;
  destroy(): void;
}

/** `resp`: 3 for a connection that subscribes, so that it can still be asked something. */
export type Dial = (url: string, resp: 2 | 3) => Promise<RawConnection>;

export interface DialTerms {
  readonly connectMs: number;
  /** The setting that names the server, and its address as it may be shown. */
  readonly setting: "store" | "spool";
  readonly shown: string;
}

export interface ConnectionTerms extends TimeLimit {
  readonly dial: Dial;
  readonly url: string;
  readonly resp: 2 | 3;
}

/** Dials and asks, both within the time. The connection is the asker's when the answer is there, and ended when there is none. */
export async function askOnNew<Answer>(
  { dial, url, resp, ...limit }: ConnectionTerms,
  ask: (connection: RawConnection) => Promise<Answer>,
): Promise<Answer> {
  let made: RawConnection | undefined;
  let isOver = false;
  try {
    return await within(limit, async () => {
      made = await dial(url, resp);
      if (isOver) made.destroy();
      return ask(made);
    });
  } catch (error) {
    isOver = true;
    made?.destroy();
    throw error;
  }
}

/** The same on a connection that ends with the answer. */
export const askOnce = <Answer>(
  terms: ConnectionTerms,
  ask: (connection: RawConnection) => Promise<Answer>,
): Promise<Answer> =>
  askOnNew(terms, async (connection) => {
    try {
      return await ask(connection);
    } finally {
      connection.destroy();
    }
  });

/** Loaded when it is configured: who has no Redis needs no package. Fails: `InvalidConfig` without it. */
export async function redisDialer({ connectMs, setting, shown }: DialTerms): Promise<Dial> {
  const { createClient } = await import("redis").catch((cause: unknown) => {
    const message = `is ${shown}, and the package "redis" is not installed: npm install redis (${String(cause)})`;
    throw new InvalidConfig({ setting, message });
  });
  return async (url, resp) => {
    const client = createClient({
      url,
      RESP: resp,
      disableOfflineQueue: true,
      maintNotifications: "disabled",
      // Whoever sends has a time of its own; this one would be a timer, a signal and an exception for each command.
      commandOptions: { timeout: undefined },
      socket: { connectTimeout: connectMs, reconnectStrategy: false },
    });
    // It is heard of by the call that fails.
    client.on("error", () => {});
    try {
      await client.connect();
    } catch (error) {
      if (client.isOpen) client.destroy();
      throw error;
    }
    return client as RawConnection;
  };
}
