/** The optional package `pg`, loaded when a PostgreSQL store is opened: the only place that names it. */
import type { Client, ClientConfig } from "pg";
import { InvalidConfig } from "../../errors.ts";

export type PgClient = Client;

/** Fails: InvalidConfig, when the package is not installed. */
export async function postgresDriver(): Promise<(config: ClientConfig) => PgClient> {
  const loaded = await import("pg").catch((cause: unknown) => {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    if (!isMissing) throw cause;
    throw new InvalidConfig({ setting: "store", message: "needs the package `pg`, which is not installed" });
  });
  // CommonJS: some loaders give only the default.
  const { Client: Made } = loaded.default;
  return (config) => new Made(config);
}
