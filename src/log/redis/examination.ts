/** What is to be said of a Redis store: whether it may be used, and what of what it acknowledges it can lose. */
import type { Clock } from "../../platform/clock.ts";
import { clockFinding, fails, fine, type StoreFinding, warns } from "../store-finding.ts";
import { dialer } from "./dial.ts";
import { failureOf } from "./failure.ts";
import { minMajor, type ServerFacts, serverFacts } from "./identity.ts";
import { redisTerms, shownUrl, type Terms } from "./terms.ts";

const msPerSecond = 1_000;
const usPerMs = 1_000;

/** Fails: InvalidConfig (the address, no package `redis`), LogUnavailable (it does not answer). */
export async function examineRedis(url: string, clock: Clock): Promise<readonly StoreFinding[]> {
  const terms = redisTerms({ url });
  const dial = await dialer(terms.callMs, url);
  const connection = await dial(terms.url, 2).catch((cause: unknown) => {
    throw failureOf(cause);
  });
  try {
    const facts = await serverFacts(connection);
    const askedMs = clock.now();
    const [seconds, micros] = (await connection.sendCommand(["TIME"])) as readonly string[];
    const theirsMs = Number(seconds) * msPerSecond + Number(micros) / usPerMs;
    const oursMs = (askedMs + clock.now()) / 2;
    return [
      fine("redis.reachable", `${shownUrl(url)} answers`),
      ...checkRedis(facts, terms),
      clockFinding("redis.clock", theirsMs, oursMs),
    ];
  } finally {
    connection.destroy();
  }
}

/** What a server's own facts mean for what is kept on it. */
function checkRedis(facts: ServerFacts, terms: Terms): StoreFinding[] {
  return [versionFinding(facts), roleFinding(facts), aofFinding(facts, terms), ...configFindings(facts, terms)];
}

function versionFinding({ version }: ServerFacts): StoreFinding {
  if (Number(version.split(".")[0]) >= minMajor) return fine("redis.version", `Redis ${version}`);
  return fails("redis.version", `Redis ${version}`, `use ${minMajor} or newer`);
}

function roleFinding({ role, isLoading }: ServerFacts): StoreFinding {
  if (isLoading) return fails("redis.role", "it is still reading its data", "wait");
  if (role === "master") return fine("redis.role", "it takes writes");
  return fails("redis.role", "it is a replica, and takes no writes", "name the primary in RUNCAST_STORE");
}

function aofFinding({ hasAof }: ServerFacts, { durability }: Terms): StoreFinding {
  if (hasAof) return fine("redis.appendonly", "appendonly yes");
  const says = "appendonly no: a restart forgets what was acknowledged";
  return durability === "none"
    ? warns("redis.appendonly", says, "set `appendonly yes`; ?durability=none accepts the loss")
    : fails("redis.appendonly", says, "set `appendonly yes`");
}

function configFindings({ config, replicas, hasAof }: ServerFacts, { waitReplicas }: Terms): StoreFinding[] {
  if (config === undefined) {
    const advice = "look at appendfsync, maxmemory-policy and min-replicas-to-write yourself";
    return [warns("redis.config", "it does not tell its settings (CONFIG is forbidden)", advice)];
  }
  const fsync = config["appendfsync"] ?? "";
  const policy = config["maxmemory-policy"] ?? "";
  const min = Number(config["min-replicas-to-write"] ?? 0);
  const findings: StoreFinding[] = [];
  if (hasAof) {
    findings.push(
      fsync === "always"
        ? fine("redis.appendfsync", "appendfsync always: an acknowledged event survives a power cut")
        : warns(
            "redis.appendfsync",
            `appendfsync ${fsync}: a power cut may take ${fsync === "everysec" ? "the last second" : "what the disk has not"}`,
            "set `appendfsync always`; the epoch changes after a crash, so no client is misled",
          ),
    );
  }
  findings.push(
    policy === "noeviction"
      ? fine("redis.eviction", "maxmemory-policy noeviction")
      : fails("redis.eviction", `maxmemory-policy ${policy}: keys may vanish`, "set `maxmemory-policy noeviction`"),
  );
  findings.push(replicaFinding(replicas, min, waitReplicas));
  return findings;
}

function replicaFinding(replicas: number, min: number, wait: number): StoreFinding {
  const says = `${replicas} replicas, min-replicas-to-write ${min}, wait=${wait}`;
  if (wait > replicas)
    return fails("redis.replicas", says, `connect ${wait} replicas, or lower ?wait=: no append is acknowledged`);
  if (min > replicas) return fails("redis.replicas", says, "connect replicas: the server refuses writes");
  if (replicas > 0 && (min === 0 || wait === 0)) {
    const advice = "a failover may lose the newest events: set min-replicas-to-write 1 and ?wait=1";
    return warns("redis.replicas", says, advice);
  }
  return fine("redis.replicas", says);
}
