import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asTenantId, asUserId, streamKey } from "../../../protocol/ids.ts";
import { openRedisLog } from "../../../src/log/redis/redis.ts";
import { RedisServer } from "../../support/redis-server.ts";

const callMs = 800;

describe("the Redis log of a process that is busy", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start({ appendfsync: "everysec" });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("takes an answer that has come in time, however late it gets to read it", async () => {
    const log = await openRedisLog({ url: server.url, callMs });
    const stream = streamKey(asTenantId("t"), asUserId("u"));
    await log.position(stream);
    const answer = log.position(stream);
    // It is on its way; then the process does something else for longer than the call may take.
    await new Promise((resolve) => setImmediate(resolve));
    const endMs = performance.now() + 1.5 * callMs;
    while (performance.now() < endMs);
    await expect(answer).resolves.toMatchObject({ head: 0 });
    await log.close();
  });
});
