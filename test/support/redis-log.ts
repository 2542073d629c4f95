/** Redis logs for tests: each its own store on a server that others use as well, closed with the test. */
import { onTestFinished } from "vitest";
import type { EventLog } from "../../src/log/event-log.ts";
import { openRedisLog } from "../../src/log/redis/redis.ts";
import type { RedisLogOptions } from "../../src/log/redis/terms.ts";

let count = 0;

/** A name that no other store of this process has. */
export const freshName = (): string => `store-${process.pid}-${(count += 1)}`;

export async function openLog(url: string, name: string, more: Partial<RedisLogOptions> = {}): Promise<EventLog> {
  // On a busy machine a server may take its time.
  const callMs = url.includes("call_ms") ? undefined : 8_000;
  const log = await openRedisLog({ url, name, onBug: () => {}, callMs, ...more });
  onTestFinished(() => log.close());
  return log;
}
