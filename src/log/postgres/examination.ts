/** What is to be said of a PostgreSQL store: whether it may be used, and what of what it acknowledges it can lose. */
import { asEpoch } from "../../../protocol/ids.ts";
import { InvalidConfig } from "../../errors.ts";
import type { Clock } from "../../platform/clock.ts";
import { clockFinding, fails, fine, type StoreFinding, warns } from "../store-finding.ts";
import { connect, type Connection } from "./connection.ts";
import { postgresDriver } from "./driver.ts";
import { openFailureOf } from "./failure.ts";
import { pendingMigrations } from "./migrations.ts";
import { postgresSettings, type PostgresSettings, shownPostgresUrl } from "./settings.ts";

const selectFacts = `SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
  (SELECT setting FROM pg_settings WHERE name = 'full_page_writes') AS full_page_writes,
  (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') AS synchronous_commit,
  current_setting('synchronous_standby_names') AS standbys, current_setting('max_connections')::int AS max_connections,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
  (SELECT count(*)::int FROM pg_stat_replication) AS replicas,
  extract(epoch FROM clock_timestamp()) * 1000 AS now_ms,
  has_database_privilege(current_database(), 'CREATE') AS may_create,
  to_regnamespace($1) IS NOT NULL AS has_schema,
  coalesce((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = $1), false) AS owns_schema`;

interface Facts {
  readonly version: string;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly standbys: string;
  readonly max_connections: number;
  readonly connections: number;
  readonly replicas: number;
  readonly now_ms: string;
  readonly may_create: boolean;
  readonly has_schema: boolean;
  readonly owns_schema: boolean;
}

/** Fails: InvalidConfig (the URL, the account, the version, the encoding, no package `pg`), LogUnavailable. */
export async function examinePostgres(url: string, clock: Clock): Promise<readonly StoreFinding[]> {
  const settings = postgresSettings(url);
  const make = await postgresDriver();
  let connection: Connection | undefined;
  try {
    // Entered without a schema: nothing is made.
    connection = await connect(make, settings, async () => ({ epoch: asEpoch("none"), timeline: "" }));
    const askedMs = clock.now();
    const [facts] = await connection.query<Facts>({ text: selectFacts, values: [settings.schema] });
    if (facts === undefined) throw new Error("the database left an answer out");
    const oursMs = (askedMs + clock.now()) / 2;
    return [
      fine("postgres.reachable", `${shownPostgresUrl(url)} answers`),
      fine("postgres.version", `PostgreSQL ${facts.version}`),
      rightsFinding(facts, settings),
      await schemaFinding(connection, settings),
      ...durabilityFindings(facts),
      poolFinding(facts, settings),
      timeoutFinding(settings),
      clockFinding("postgres.clock", Number(facts.now_ms), oursMs),
    ];
  } catch (cause) {
    throw openFailureOf(cause);
  } finally {
    connection?.end();
  }
}

function rightsFinding(
  { has_schema: hasSchema, owns_schema: owns, may_create: mayCreate }: Facts,
  { schema }: PostgresSettings,
): StoreFinding {
  if (hasSchema && owns) return fine("postgres.rights", `the user owns the schema ${schema}`);
  if (!hasSchema && mayCreate) return fine("postgres.rights", `the user may create the schema ${schema}`);
  const advice = hasSchema ? `ALTER SCHEMA ${schema} OWNER TO <user>` : "GRANT CREATE ON DATABASE <database> TO <user>";
  const says = hasSchema
    ? `the schema ${schema} belongs to another user`
    : `the user may not create the schema ${schema}`;
  return fails("postgres.rights", says, advice);
}

async function schemaFinding({ query }: Connection, settings: PostgresSettings): Promise<StoreFinding> {
  try {
    const due = await pendingMigrations(query, settings);
    if (due.length === 0) return fine("postgres.schema", "the schema is this release's");
    const steps = due.map(({ version, name }) => `${version} (${name})`).join(", ");
    return fine("postgres.schema", `the first node that starts brings it to ${steps}`);
  } catch (cause) {
    if (cause instanceof InvalidConfig)
      return fails("postgres.schema", `the store ${cause.message}`, "use that release");
    throw cause;
  }
}

function durabilityFindings(facts: Facts): StoreFinding[] {
  const { fsync, full_page_writes: pages, synchronous_commit: commit, standbys, replicas } = facts;
  const isOn = fsync === "on" && pages === "on";
  const disk = `fsync ${fsync}, full_page_writes ${pages}`;
  return [
    isOn
      ? fine("postgres.fsync", disk)
      : fails("postgres.fsync", `${disk}: a power cut destroys the database`, "set both to on"),
    commit === "off"
      ? warns(
          "postgres.synchronous_commit",
          "off; Runcast commits with on all the same",
          "set it to on for your own writes",
        )
      : fine("postgres.synchronous_commit", commit),
    replicas > 0 && standbys === ""
      ? warns(
          "postgres.replicas",
          `${replicas} replicas, none of them synchronous: a failover may lose the newest events`,
          "set synchronous_standby_names; the epoch changes at a promotion, so no client is misled",
        )
      : fine("postgres.replicas", `${replicas} replicas${standbys === "" ? "" : `, synchronous: ${standbys}`}`),
  ];
}

/** Besides the pool, one that listens. */
const listeners = 1;

function poolFinding({ max_connections: max, connections }: Facts, { pool }: PostgresSettings): StoreFinding {
  const needed = pool + listeners;
  const says = `a node takes ${needed} connections; ${connections} of ${max} are in use`;
  if (needed > max) return fails("postgres.connections", says, "lower ?pool=, or raise max_connections");
  if (2 * needed > max)
    return warns("postgres.connections", says, "two nodes do not fit: lower ?pool=, or raise max_connections");
  return fine("postgres.connections", says);
}

/** A publisher waits no longer than this for an answer. */
const longStatementMs = 60_000;

function timeoutFinding(settings: PostgresSettings): StoreFinding {
  const { statementTimeoutMs: statement, lockTimeoutMs: lock, idleInTransactionTimeoutMs: idle } = settings;
  const says = `statement ${statement} ms, lock ${lock} ms, idle in transaction ${idle} ms`;
  if (lock >= statement)
    return warns("postgres.timeouts", says, "let lock_timeout_ms be less than statement_timeout_ms: it tells more");
  if (statement > longStatementMs)
    return warns("postgres.timeouts", says, "lower statement_timeout_ms: publishers wait as long");
  return fine("postgres.timeouts", says);
}
