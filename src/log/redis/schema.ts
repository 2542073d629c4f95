/**
 * How a store's keys are laid out. The store says which version it has; opening one brings it to the release's, step by
 * step, each in one script that a second process finds done. A store that is newer than the release is refused.
 */
import type { RawConnection } from "../../platform/redis-dialer.ts";
import { wrong } from "./terms.ts";

export interface Migration {
  readonly version: number;
  /** For people. */
  readonly does: string;
  /** Further commands of the step, as Lua; KEYS[1] is the store's hash. */
  readonly lua: string;
}

/** Ascending. */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    does: "make the store: one stream, one hash of runs and one outbox for each user, and their indexes",
    lua: "",
  },
];

export const schemaVersion = migrations.length;

/** What would be done to a store, and what was. */
export interface MigrationPlan {
  /** 0: there is no store yet. */
  readonly from: number;
  readonly to: number;
  readonly steps: readonly Pick<Migration, "version" | "does">[];
}

/** Fails: `InvalidConfig` for a newer one. */
export async function planOf(store: RawConnection, key: string): Promise<MigrationPlan> {
  const from = Number((await store.sendCommand(["HGET", key, "schema"])) ?? 0);
  if (!(from <= schemaVersion))
    throw wrong(`was written by a newer release: its schema is ${from}, and this release knows ${schemaVersion}`);
  const steps = migrations.slice(from).map(({ version, does }) => ({ version, does }));
  return { from, to: schemaVersion, steps };
}

/** Fails: `InvalidConfig` for a newer one. */
export async function migrate(store: RawConnection, key: string): Promise<void> {
  const { steps } = await planOf(store, key);
  for (const { version } of steps) {
    const lua = migrations[version - 1]?.lua ?? "";
    const text = `if (redis.call('HGET', KEYS[1], 'schema') or '0') ~= ARGV[1] then return 0 end
${lua}
redis.call('HSET', KEYS[1], 'schema', ARGV[2])
return 1`;
    await store.sendCommand(["EVAL", text, "1", key, String(version - 1), String(version)]);
  }
}
