import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventLog } from "../../../src/log/event-log.ts";
import { openRedisLog } from "../../../src/log/redis/redis.ts";
import { eventLogContract } from "../../../src/testing/event-log-contract.ts";
import { RedisServer } from "../../support/redis-server.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start({ appendfsync: "always" });
});
afterAll(() => redis[Symbol.asyncDispose]());

let count = 0;

async function make() {
  const name = `contract-${(count += 1)}`;
  const open = () => openRedisLog({ url: redis.url, name, onBug: () => {} });
  let newest: EventLog = await open();
  return {
    log: newest,
    reopen: async () => {
      await newest.close();
      newest = await open();
      return newest;
    },
    dispose: () => newest.close(),
  };
}

eventLogContract("the Redis log", make, { describe, it, expect, persists: true });
