/**
 * Runners that publish over HTTP until they are told to end, and what the store must hold afterwards: everything that
 * was acknowledged, once, in its order (I1, I2, I18).
 */
import { expect } from "vitest";
import type { StreamEvent } from "../../protocol/event.ts";
import { userToken } from "./built-server.ts";
import { HttpPublisher } from "./http-publisher.ts";
import { readAll } from "./http-reader.ts";

const maxBatch = 4;
const pageEvents = 500;

export interface Publishers {
  readonly publisher: HttpPublisher;
  /** What was acknowledged of each run, in order. */
  readonly said: ReadonlyMap<string, readonly string[]>;
  /** Fails when a publisher was refused. */
  end(): Promise<void>;
}

/** One run a user, of batches of up to four events, one after the other. */
export function publishFor(
  server: { readonly url: string },
  userIds: readonly string[],
  random: () => number,
): Publishers {
  const publisher = new HttpPublisher(() => server.url);
  const said = new Map<string, string[]>();
  let isOver = false;
  const publishRun = async (userId: string): Promise<void> => {
    const runId = `run-of-${userId}`;
    const acknowledged: string[] = [];
    said.set(runId, acknowledged);
    const run = await publisher.startRun({ userId, runId });
    for (let at = 0; !isOver; at += 1) {
      const events = Array.from({ length: 1 + Math.floor(random() * maxBatch) }, (_, index) => {
        const name = `${runId}/${at}.${index}`;
        return { type: "x.said", data: { name }, key: name };
      });
      await publisher.publish(run, events);
      for (const { key } of events) acknowledged.push(key);
    }
    await publisher.publish(run, [{ type: "agent_completed", data: {}, key: "end" }]);
  };
  const all = Promise.all(userIds.map(publishRun));
  all.catch(() => {});
  return {
    publisher,
    said,
    end: async () => {
      isOver = true;
      await all;
    },
  };
}

/** The user's stream, held against what was acknowledged. */
export async function expectWhole(
  server: { readonly url: string },
  userId: string,
  { said }: Publishers,
): Promise<readonly StreamEvent[]> {
  const log = await readAll(server.url, "/v1/events", await userToken(userId), pageEvents);
  expect(log.map(({ offset }) => offset)).toEqual(log.map((_, index) => index + 1));
  expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1));
  const names = log.flatMap(({ type, data }) => (type === "x.said" ? [Reflect.get(data, "name")] : []));
  expect(names).toEqual(said.get(`run-of-${userId}`));
  return log;
}
