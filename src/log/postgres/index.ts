/** `runcast/postgres`: the log in PostgreSQL for who embeds Runcast, and publishing inside one's own transaction. */
export { type NotifyIn, notifyIn } from "./notify-in.ts";
export { type PlannedMigration, planPostgresMigrations } from "./plan.ts";
export { openPostgresLog, type PostgresLogOptions } from "./postgres.ts";
export { type PublishIn, publishIn } from "./publish-in.ts";
export { shownPostgresUrl } from "./settings.ts";
export type { PgTransaction, PostgresTransaction, TransactionClient } from "./transaction-client.ts";
