/** What an operator should know of a Redis server before events are entrusted to it: for `runcast doctor`, and for who asks from a program. Writes nothing. */
import { systemClock } from "../../platform/clock.ts";
import { askOnce, type Dial, type RawConnection, redisDialer } from "../../platform/redis-dialer.ts";
import { failureOf, unavailable } from "./failure.ts";
import { minMajor, type ServerFacts, serverFacts } from "./identity.ts";
import { keysOf } from "./keys.ts";
import { type MigrationPlan, planOf } from "./schema.ts";
import { addressed, slotRanges } from "./slot-map.ts";
import { clockFinding } from "../store-finding.ts";
import { redisTerms, shownUrl, type Terms } from "./terms.ts";

const msPerSecond = 1_000;
const usPerMs = 1_000;

export interface RedisFinding {
  /** `error`: the store does not open so. `warning`: it does, and may lose what the message says. */
  readonly level: "ok" | "warning" | "error";
  /** What was looked at. */
  readonly about: "connection" | "version" | "role" | "aof" | "fsync" | "memory" | "replicas" | "clock";
  /** Of a cluster, each master has its own findings. Without user and password. */
  readonly server: string;
  readonly message: string;
}

/** Fails: `InvalidConfig` for an address that is none, or without the package `redis`. */
export async function checkRedis(url: string): Promise<readonly RedisFinding[]> {
  const terms = redisTerms({ url });
  try {
    return await onServer(url, async (connection) => {
      const facts = await serverFacts(connection);
      if (!facts.isCluster) return await examined(connection, facts, terms.url, terms);
      const masters = new Set((await slotRanges(connection, terms.url)).map((range) => range.url));
      const all = [...masters].map(async (master) =>
        onServer(master, async (own) => examined(own, await serverFacts(own), master, terms)).catch(
          (error: unknown) => [silent(master, error)],
        ),
      );
      return (await Promise.all(all)).flat();
    });
  } catch (error) {
    return [silent(terms.url, error)];
  }
}

/**
 * What opening the store would do to its keys; nothing is done.
 *
 * Fails: `InvalidConfig` for a newer store; `LogUnavailable` when the server does not answer.
 */
export async function planRedisMigrations(url: string): Promise<MigrationPlan> {
  const { name } = redisTerms({ url });
  return onServer(url, async (connection) => {
    const key = keysOf(name).store;
    try {
      return await planOf(connection, key);
    } catch (error) {
      const found = error instanceof Error ? /^MOVED \d+ (\S*):(\d+)$/.exec(error.message) : null;
      if (found === null) throw error;
      return onServer(addressed(url, found[1] ?? "", Number(found[2])), (own) => planOf(own, key));
    }
  });
}

async function onServer<Answer>(url: string, ask: (connection: RawConnection) => Promise<Answer>): Promise<Answer> {
  const terms = redisTerms({ url });
  const { url: address, connectMs: ms } = terms;
  const dialer = await redisDialer({ ...terms, setting: "store", shown: shownUrl(url) });
  const dial: Dial = (...how) =>
    dialer(...how).catch((error: unknown) => {
      throw failureOf(error);
    });
  const late = () => unavailable("the Redis server does not answer");
  return askOnce({ dial, url: address, resp: 2, clock: systemClock, ms, late }, ask);
}

const silent = (url: string, error: unknown): RedisFinding => ({
  ...{ level: "error", about: "connection", server: shownUrl(url) },
  message: error instanceof Error ? error.message : String(error),
});

async function examined(
  connection: RawConnection,
  facts: ServerFacts,
  url: string,
  terms: Terms,
): Promise<readonly RedisFinding[]> {
  const server = shownUrl(url);
  const askedMs = systemClock.now();
  const [seconds, micros] = (await connection.sendCommand(["TIME"])) as readonly string[];
  const theirsMs = Number(seconds) * msPerSecond + Number(micros) / usPerMs;
  const { level, says, advice } = clockFinding("clock", theirsMs, (askedMs + systemClock.now()) / 2);
  const message = advice === undefined ? says : `${says}; ${advice}`;
  return [...findings(facts, server, terms), { level, about: "clock", server, message }];
}

function findings(facts: ServerFacts, server: string, { durability, waitReplicas }: Terms): readonly RedisFinding[] {
  const { config = {} } = facts;
  const one = (about: RedisFinding["about"], level: RedisFinding["level"], message: string): RedisFinding => ({
    ...{ level, about, server, message },
  });
  const isNew = Number(facts.version.split(".")[0]) >= minMajor;
  const found = [
    one("version", isNew ? "ok" : "error", `Redis ${facts.version}${isNew ? "" : `; ${minMajor} or newer is right`}`),
    facts.role === "master"
      ? one("role", "ok", "it is a master")
      : one("role", "error", "it is a replica, and takes no writes"),
  ];
  if (!facts.hasAof) {
    const level = durability === "none" ? "warning" : "error";
    found.push(one("aof", level, "appendonly is no: a restart forgets what was acknowledged; set it to yes"));
  } else {
    found.push(one("aof", "ok", "appendonly is yes"), one("fsync", ...fsyncOf(config["appendfsync"])));
  }
  found.push(one("memory", ...memoryOf(config["maxmemory-policy"], config["maxmemory"])));
  found.push(one("replicas", ...replicasOf(facts, config["min-replicas-to-write"], waitReplicas)));
  return found;
}

type Verdict = readonly [RedisFinding["level"], string];

const hidden = "cannot be read (CONFIG is forbidden)";

function fsyncOf(fsync: string | undefined): Verdict {
  if (fsync === "always") return ["ok", "appendfsync is always: what was acknowledged survives a power cut"];
  if (fsync === undefined) return ["warning", `appendfsync ${hidden}: it counts as everysec, and a restart as a loss`];
  return ["warning", `appendfsync is ${fsync}: a power cut may lose the newest, and every restart makes a new epoch`];
}

function memoryOf(policy: string | undefined, bytes: string | undefined): Verdict {
  if (policy === undefined) return ["warning", `maxmemory-policy ${hidden}; noeviction is right`];
  if (policy === "noeviction")
    return ["ok", `maxmemory-policy is noeviction${bytes === "0" ? ", without a bound" : ""}`];
  // Without a bound nothing is evicted today.
  return [
    bytes === "0" ? "warning" : "error",
    `maxmemory-policy is ${policy}, which removes events; noeviction is right`,
  ];
}

function replicasOf({ replicas }: ServerFacts, least: string | undefined, waits: number): Verdict {
  if (replicas === 0)
    return waits > 0
      ? ["error", `it has no replica, and \`wait=${waits}\` asks for ${waits}: no append would be acknowledged`]
      : ["ok", "it has no replica: nothing fails over, and its disk is all there is"];
  const asks = Number(least ?? 0) > 0;
  if (asks && waits > 0) return ["ok", `${replicas} replicas; min-replicas-to-write is ${least}, wait is ${waits}`];
  const missing = [asks ? "" : "min-replicas-to-write 1", waits > 0 ? "" : "?wait=1 in the address"].filter(Boolean);
  return [
    "warning",
    `${replicas} replicas: a failover may lose what was acknowledged without ${missing.join(" and ")}`,
  ];
}
