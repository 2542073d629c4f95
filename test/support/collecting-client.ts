/** The real client with an application that keeps all it is handed, in the order in which it was handed over. */
import { expect } from "vitest";
import type { Client, ConnectOptions, StreamEvent } from "../../src/client/index.ts";
import { connect } from "../../src/client/index.ts";
import { userToken } from "./built-server.ts";
import { eventually } from "./eventually.ts";

const patienceMs = 20_000;
/** A part of the full jitter, so that a test does not wait as long as a crowd would. */
const hasteShare = 0.02;

export interface CollectingClient {
  readonly client: Client;
  readonly seen: readonly StreamEvent[];
  /** Until the application has the event at this offset. */
  has(offset: number): Promise<void>;
  /** Until there are no more of the events that the server has now. */
  live(): Promise<void>;
}

export function collect(
  userId: string,
  options: Pick<ConnectOptions, "url"> & Partial<ConnectOptions>,
): CollectingClient {
  const client = connect({ token: () => userToken(userId), random: () => hasteShare, ...options });
  const seen: StreamEvent[] = [];
  /** Those who wait for an event, and for which. */
  const waiting = new Map<() => void, number>();
  const read = async (): Promise<void> => {
    for await (const event of client.events()) {
      seen.push(event);
      for (const [go, offset] of waiting) if (event.offset >= offset) go();
    }
  };
  void read();
  return {
    client,
    seen,
    has: (offset) =>
      new Promise((resolve, reject) => {
        if ((seen.at(-1)?.offset ?? 0) >= offset) return resolve();
        const go = (): void => {
          waiting.delete(go);
          clearTimeout(timer);
          resolve();
        };
        const late = (): void => {
          waiting.delete(go);
          const { state, lastError } = client.status;
          const at = `at ${seen.at(-1)?.offset ?? 0}, ${state}, ${lastError?.message ?? "no error"}`;
          reject(new Error(`offset ${offset} did not come within ${patienceMs} ms: ${at}`));
        };
        const timer = setTimeout(late, patienceMs);
        waiting.set(go, offset);
      }),
    live: async () => eventually(() => expect(client.status.state).toBe("live")),
  };
}
