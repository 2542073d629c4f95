/** A store of Redis, opened by its address as an embedding application and a server do. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuncast } from "../../../src/index.ts";
import { event, newRun, next, run1, started, tenant, write } from "../../../src/testing/event-log/sample.ts";
import { freshName, openLog } from "../../support/redis-log.ts";
import { RedisServer } from "../../support/redis-server.ts";

const secret = "a secret of at least thirty-two bytes";

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start({ appendfsync: "always" });
});
afterAll(() => redis[Symbol.asyncDispose]());

describe("a Redis store", () => {
  it("is opened by its address, and another process on it goes on with the run", async () => {
    const store = `${redis.url}/0?name=shared`;
    const one = await createRuncast({ store, auth: { kind: "secret", secret } });
    const other = await createRuncast({ store, auth: { kind: "secret", secret } });
    const { runId } = await one.startRun({ userId: "alice", agent: "a" });
    const run = await other.claim(runId);
    await run.thinking("on another node");
    expect(await other.run(runId)).toMatchObject({ state: "thinking", seq: 2 });
    await other.close();
    await one.close();
  });

  it("reads a long run in few steps: what stands side by side is fetched at once", async () => {
    const log = await openLog(redis.url, freshName());
    await write(log, started(newRun()));
    const eventCount = 500;
    await write(
      log,
      next(
        1,
        Array.from({ length: eventCount }, (_, at) => event(`${at}`)),
      ),
    );
    await redis.ask("CONFIG", "RESETSTAT");
    const events = await log.readRun(tenant, run1, 0, { maxEvents: 1_000, maxBytes: 1_000_000 });
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: eventCount + 1 }, (_, at) => at + 1));
    const [, calls] = /cmdstat_xrange:calls=(\d+)/.exec(String(await redis.ask("INFO", "commandstats"))) ?? [];
    expect(Number(calls)).toBeLessThan(eventCount / 10);
  });
});
