/** What `runcast doctor` says of a Redis store: the findings of `check`, of each master of a cluster. */
import type { StoreFinding } from "../store-finding.ts";
import { fine } from "../store-finding.ts";
import { checkRedis } from "./check.ts";
import { redisTerms, shownUrl } from "./terms.ts";

/** Fails: `InvalidConfig` (the address, no package `redis`). */
export async function examineRedis(url: string): Promise<readonly StoreFinding[]> {
  const found = await checkRedis(url);
  const isCluster = new Set(found.map(({ server }) => server)).size > 1;
  const findings = found.map(
    ({ level, about, server, message }): StoreFinding => ({
      level,
      what: about === "connection" ? "redis.reachable" : `redis.${about}`,
      says: isCluster ? `${server}: ${message}` : message,
    }),
  );
  if (findings.some(({ what }) => what === "redis.reachable")) return findings;
  return [fine("redis.reachable", `${shownUrl(redisTerms({ url }).url)} answers`), ...findings];
}
