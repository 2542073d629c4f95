/**
 * Whose history a server holds. A history has a name, which is the epoch of its streams, and a new one begins whenever
 * acknowledged events may be missing: another server was promoted, or this one began anew without having written every
 * append to its disk first. It is settled on every new connection, before anything else is sent on it, by a conditional
 * write into the store; where two processes settle at once, the second finds what the first wrote.
 */
import { asEpoch, type Epoch } from "../../../protocol/ids.ts";
import { newEpoch } from "../epoch.ts";
import type { RawConnection } from "../../platform/redis-dialer.ts";
import { unavailable } from "./failure.ts";
import { script } from "./script.ts";
import { migrate } from "./schema.ts";
import { type Terms, wrong } from "./terms.ts";

/** A history that was moved here from another store bears that one's epoch behind this. */
const movedMark = "=";

/** What readers know a history by: its own name, or the epoch that it came with. */
export function epochOf(history: string): Epoch {
  const [, moved] = /^.*?\.\d+\.=(.*)$/s.exec(history) ?? [];
  return asEpoch(moved ?? history);
}

/** What a server's field in the store's hash becomes when its history is to be known by an epoch. */
export function renamedHistory(field: string, epoch: Epoch): string {
  return [...field.split(" ").slice(0, -1), `${movedMark}${epoch}`].join(" ");
}

export interface ServerFacts {
  readonly version: string;
  /** Of the process. */
  readonly runId: string;
  readonly role: string;
  readonly replicationId: string;
  /** It followed another server before: that one's id. Undefined: it did not. */
  readonly formerReplicationId: string | undefined;
  readonly isLoading: boolean;
  readonly hasAof: boolean;
  readonly isCluster: boolean;
  readonly replicas: number;
  /** Undefined: the server does not say (`CONFIG` is forbidden). */
  readonly config: Readonly<Record<string, string>> | undefined;
}

const asked = ["appendonly", "appendfsync", "maxmemory-policy", "maxmemory", "min-replicas-to-write"];

export async function serverFacts(connection: RawConnection): Promise<ServerFacts> {
  const [info, config] = await Promise.all([
    connection.sendCommand(["INFO"]),
    connection.sendCommand(["CONFIG", "GET", ...asked]).catch(() => undefined),
  ]);
  const fields = new Map<string, string>();
  for (const line of String(info).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  const field = (name: string): string => fields.get(name) ?? "";
  const former = field("master_replid2");
  return {
    version: field("redis_version"),
    runId: field("run_id"),
    role: field("role"),
    replicationId: field("master_replid"),
    formerReplicationId: /^0*$/.test(former) ? undefined : former,
    isLoading: field("loading") === "1",
    hasAof: field("aof_enabled") === "1",
    isCluster: field("cluster_enabled") === "1",
    replicas: Number(field("connected_slaves")),
    config: pairs(config),
  };
}

function pairs(answer: unknown): Record<string, string> | undefined {
  if (typeof answer !== "object" || answer === null) return undefined;
  // RESP 3 has a map for it.
  if (!Array.isArray(answer))
    return Object.fromEntries(Object.entries(answer).map(([key, value]) => [key, String(value)]));
  const found: Record<string, string> = {};
  for (let at = 0; at + 1 < answer.length; at += 2) found[String(answer[at])] = String(answer[at + 1]);
  return found;
}

/** Why this server may not be written to, thrown. Fails: `InvalidConfig`, `LogUnavailable`. */
export function assertUsable(facts: ServerFacts, { durability }: Terms): void {
  const major = Number(facts.version.split(".")[0]);
  if (major < minMajor) throw wrong(`is a Redis ${facts.version}; right is ${minMajor} or newer`);
  if (facts.isLoading) throw unavailable("the Redis server is still reading its data");
  if (facts.role !== "master") throw unavailable("the Redis server is a replica, and takes no writes");
  if (!facts.hasAof && durability === "aof") throw wrong(noAof);
}

export const minMajor = 7;
const noAof =
  "is a Redis server without an append-only file, which forgets what it acknowledged: set `appendonly yes`, or say `?durability=none` and lose it";

/** Every append is on the disk before it is answered. What the server does not say counts as no. */
export const isAlways = (facts: ServerFacts): boolean => facts.hasAof && facts.config?.["appendfsync"] === "always";

/**
 * KEYS[1]: the store's hash. ARGV: node, run id, replication id, whether it followed another ("1"), whether it writes
 * always ("1"), a drawn name, a history that has lost something (""). A history is called
 * `<node>.<generation>.<name>`.
 */
const settleScript = script(`
local field = 'node:' .. ARGV[1]
local known = redis.call('HGET', KEYS[1], field)
local gen, name
if known then
  local run, repl, always, knownGen, knownName = string.match(known, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
  local isSame
  if run == ARGV[2] then isSame = repl == ARGV[3] or ARGV[4] ~= '1'
  else isSame = ARGV[4] ~= '1' and always == '1' and ARGV[5] == '1' end
  if isSame and ARGV[7] ~= ARGV[1] .. '.' .. knownGen .. '.' .. knownName then gen, name = knownGen, knownName end
end
if not gen then gen, name = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'generation', 1)), ARGV[6] end
-- A server that is full takes no write, but may be read.
local settled = table.concat({ARGV[2], ARGV[3], ARGV[5], gen, name}, ' ')
if settled ~= known then redis.call('HSET', KEYS[1], field, settled) end
return {'settled', ARGV[1] .. '.' .. gen .. '.' .. name}`);

export interface Settlement {
  /** Where the store's own key is. */
  readonly store: RawConnection;
  readonly key: string;
  /** Its id in a cluster; `s` for a server that stands alone. */
  readonly node: string;
  readonly facts: ServerFacts;
  /** A history that turned out to lack something. */
  readonly lost: string | undefined;
  readonly random: (count: number) => Uint8Array;
}

/** The history that the server holds. Fails: `InvalidConfig` when the store is of another release. */
export async function settle({ store, key, node, facts, lost, random }: Settlement): Promise<string> {
  const followed = facts.formerReplicationId === undefined ? "0" : "1";
  const args = [node, facts.runId, facts.replicationId, followed, isAlways(facts) ? "1" : "0", newEpoch(random)];
  const words = ["EVAL", settleScript.text, "1", key, ...args, lost ?? ""];
  await migrate(store, key);
  const [, history = ""] = (await store.sendCommand(words)) as readonly string[];
  return history;
}
