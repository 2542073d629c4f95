/**
 * The schema's versions. Each step is one transaction under a lock that every node asks for, so of nodes that start
 * together one does it and the others find it done; a schema that is newer than this release is not touched.
 */
import { InvalidConfig } from "../../errors.ts";
import { appendFunction } from "./append-function.ts";
import type { Connection } from "./connection.ts";
import { otherFunctions } from "./other-functions.ts";
import type { PostgresSettings } from "./settings.ts";
import { createTables } from "./tables.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

const migrations = (schema: string, partitions: number): readonly Migration[] => [
  {
    version: 1,
    name: "the first schema",
    statements: [...createTables(schema, partitions), appendFunction(schema), ...otherFunctions(schema)],
  },
];

/** Of this product, and no other's: advisory locks are shared by all who use the database. */
const lockClass = 1_382_378_099;

type Query = Connection["query"];

/** 0: there is none. */
async function versionOf(query: Query, schema: string): Promise<number> {
  const [found] = await query<{ there: boolean }>({
    text: "SELECT to_regclass($1) IS NOT NULL AS there",
    values: [`${schema}.migrations`],
  });
  if (found?.there !== true) return 0;
  const [row] = await query<{ version: number }>({
    text: `SELECT coalesce(max(version), 0)::int AS version FROM ${schema}.migrations`,
  });
  return row?.version ?? 0;
}

/** What is left to do; fails with InvalidConfig where a newer release was. */
export async function pendingMigrations(
  query: Query,
  { schema, partitions }: Pick<PostgresSettings, "schema" | "partitions">,
): Promise<readonly Migration[]> {
  const steps = migrations(schema, partitions);
  const newest = steps.at(-1)?.version ?? 0;
  const version = await versionOf(query, schema);
  if (version > newest) {
    const message = `has schema version ${version}, and this release knows ${newest} at most: a newer release made it`;
    throw new InvalidConfig({ setting: "store", message });
  }
  return steps.filter((step) => step.version > version);
}

/** Brings the schema to this release's version. */
export async function migrate(query: Query, settings: PostgresSettings): Promise<void> {
  const { schema } = settings;
  if ((await pendingMigrations(query, settings)).length === 0) return;
  for (;;) {
    await query({ text: "BEGIN" });
    try {
      // Whoever waits for another's step waits longer than for a stream.
      await query({ text: "SET LOCAL lock_timeout = 0" });
      await query({ text: "SELECT pg_advisory_xact_lock($1, hashtext($2))", values: [lockClass, schema] });
      await query({ text: `CREATE SCHEMA IF NOT EXISTS ${schema}` });
      await query({ text: migrationsTable(schema) });
      const [step] = await pendingMigrations(query, settings);
      if (step !== undefined) {
        for (const text of step.statements) await query({ text });
        const values = [step.version, step.name];
        await query({ text: `INSERT INTO ${schema}.migrations (version, name) VALUES ($1, $2)`, values });
      }
      await query({ text: "COMMIT" });
      if (step === undefined) return;
    } catch (cause) {
      await query({ text: "ROLLBACK" }).catch(() => {});
      throw cause;
    }
  }
}

/** The table of what was done, made before the first step. */
export const migrationsTable = (schema: string): string =>
  `CREATE TABLE IF NOT EXISTS ${schema}.migrations (version int PRIMARY KEY, name text NOT NULL,
   at timestamptz NOT NULL DEFAULT now())`;
