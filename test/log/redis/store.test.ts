/** A store of Redis, opened by its address as an embedding application and a server do. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuncast } from "../../../src/index.ts";
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
});
