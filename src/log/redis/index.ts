/** `runcast/redis`: the event log in Redis Streams, for who opens it without the address that `createRuncast` takes. */
export type { EventLog } from "../event-log.ts";
export { checkRedis, planRedisMigrations, type RedisFinding } from "./check.ts";
export { openRedisLog } from "./redis.ts";
export type { MigrationPlan } from "./schema.ts";
export type { RedisLogOptions } from "./terms.ts";
