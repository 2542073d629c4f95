/** What opening a store would change in its database, without changing it: for `runcast migrate` and `doctor`. */
import { connect } from "./connection.ts";
import { postgresDriver } from "./driver.ts";
import { openFailureOf } from "./failure.ts";
import { migrationsTable, pendingMigrations } from "./migrations.ts";
import { postgresSettings } from "./settings.ts";

export interface PlannedMigration {
  readonly version: number;
  readonly name: string;
  /** In the order in which they would run, in one transaction. */
  readonly statements: readonly string[];
}

/**
 * The steps that the next opening would do; none: the schema is this release's.
 *
 * Fails: InvalidConfig (the URL, the account, a newer schema, no package `pg`); LogUnavailable.
 */
export async function planPostgresMigrations(url: string): Promise<readonly PlannedMigration[]> {
  const settings = postgresSettings(url);
  const { schema } = settings;
  const make = await postgresDriver();
  try {
    const connection = await connect(make, settings, async () => ({}));
    try {
      const pending = await pendingMigrations(connection.query, settings);
      const before = [`CREATE SCHEMA IF NOT EXISTS ${schema}`, migrationsTable(schema)];
      return pending.map(({ version, name, statements }) => ({
        ...{ version, name },
        statements: version === 1 ? [...before, ...statements] : statements,
      }));
    } finally {
      connection.end();
    }
  } catch (cause) {
    throw openFailureOf(cause);
  }
}
