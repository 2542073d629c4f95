/**
 * One connection to the database, made ready: to the first host that takes writes, with this store's limits, and entered
 * (`incarnation`), so that it knows the epoch under which it reads and appends. `pool` and `bell-line` hold them.
 */
import type { Epoch } from "../../../protocol/ids.ts";
import { InvalidConfig, LogUnavailable } from "../../errors.ts";
import { logRetryAfterMs } from "../closed.ts";
import type { PgClient, postgresDriver } from "./driver.ts";
import type { PostgresHost, PostgresSettings } from "./settings.ts";

/** A statement that is sent again and again is prepared once a connection, under its name. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** A connection that does not know yet which history it stands in. */
export interface BareConnection {
  readonly client: PgClient;
  /** Rows as objects. Bounded in time; fails with what the driver says. */
  query<Row>(statement: Statement): Promise<Row[]>;
  /** False from when the line broke. */
  isOpen(): boolean;
  /** Hears once that the line broke. */
  onEnd(hear: () => void): void;
  /** Says goodbye; `cut`: without a word, whatever is under way. */
  end(how?: "cut"): void;
}

/** What a new connection learns before it is used. */
export interface Entered {
  readonly epoch: Epoch;
  /** The server's timeline, as appends name it. */
  readonly timeline: string;
}

export type Connection = BareConnection & Entered;
export type Enter<Learned> = (query: Query) => Promise<Learned>;
type Query = BareConnection["query"];

/** The server ends a statement by itself; so much later nobody believes any more that it will. */
const answerGraceMs = 2_000;
/** Probes of the kernel: a machine that is gone is noticed also where nothing is asked. */
const keepAliveDelayMs = 10_000;

const int8 = 20;

/** Numbers of eight bytes are counters here, far below 2^53; all else comes as the text that it is. */
const types = { getTypeParser: (oid: number) => (oid === int8 ? Number : undefined) };

/** Which host took writes last: one that is silent costs a whole timeout, and each connection would pay it. */
const lastHosts = new WeakMap<PostgresSettings, PostgresHost>();

export async function connect<Learned>(
  make: Awaited<ReturnType<typeof postgresDriver>>,
  settings: PostgresSettings,
  enter: Enter<Learned>,
): Promise<BareConnection & Learned> {
  const failures: unknown[] = [];
  const last = lastHosts.get(settings);
  const others = settings.hosts.filter((host) => host !== last);
  for (const host of last === undefined ? others : [last, ...others]) {
    try {
      const connection = await connectTo(make, host, settings, enter);
      lastHosts.set(settings, host);
      return connection;
    } catch (cause) {
      failures.push(cause);
    }
  }
  // A server that is only read-only says less than one that is wrong.
  throw failures.find((cause) => !(cause instanceof LogUnavailable)) ?? failures[0];
}

async function connectTo<Learned>(
  make: Awaited<ReturnType<typeof postgresDriver>>,
  { host, port }: PostgresHost,
  settings: PostgresSettings,
  enter: Enter<Learned>,
): Promise<BareConnection & Learned> {
  const { user, password, database, statementTimeoutMs } = settings;
  const client = make({
    ...{ host, port, user, password, database, ssl: settings.ssl },
    application_name: settings.applicationName,
    connectionTimeoutMillis: settings.connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + answerGraceMs,
    lock_timeout: settings.lockTimeoutMs,
    idle_in_transaction_session_timeout: settings.idleInTransactionTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
  });
  let isEnded = false;
  let hearEnd: (() => void) | undefined;
  const ended = (): void => {
    if (isEnded) return;
    isEnded = true;
    hearEnd?.();
  };
  client.on("error", ended);
  client.on("end", ended);
  const ask = async ({ name, text, values }: Statement): Promise<unknown[]> =>
    (await client.query({ text, values: [...(values ?? [])], types: parsers(client), ...(name && { name }) })).rows;
  let last: Promise<unknown> = Promise.resolve();
  // One after the other: a driver of the next version keeps no line of them.
  const query: Query = <Row>(statement: Statement) => {
    const mine = last.then(() => ask(statement));
    last = mine.catch(() => {});
    return mine as Promise<Row[]>;
  };
  const end = (how?: "cut"): void => {
    void client.end().catch(() => {});
    if (how === "cut") client.connection.stream.destroy();
  };
  try {
    await client.connect();
    await prepare(query);
    const learned = await enter(query);
    return {
      ...learned,
      ...{ client, query, end },
      isOpen: () => !isEnded,
      onEnd: (hear) => {
        if (isEnded) hear();
        else hearEnd = hear;
      },
    };
  } catch (cause) {
    end("cut");
    throw cause;
  }
}

const settingsOfSession = `SELECT set_config('default_transaction_isolation', 'read committed', false),
  set_config('jit', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false),
  set_config('client_min_messages', 'warning', false),
  set_config('synchronous_commit',
    CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
  pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only,
  current_setting('server_encoding') AS encoding, current_setting('server_version_num')::int AS version`;

const oldestVersion = 14;
const versionStep = 10_000;

/** The session's own ways, whatever the role or the database has for defaults; a plan is made once for all partitions. */
async function prepare(query: Query): Promise<void> {
  const [row] = await query<{ is_read_only: boolean; encoding: string; version: number }>({ text: settingsOfSession });
  if (row === undefined || row.is_read_only)
    throw new LogUnavailable({ message: "the database takes no writes", retryAfterMs: logRetryAfterMs });
  const version = Math.floor(row.version / versionStep);
  if (version < oldestVersion)
    throw new InvalidConfig({
      setting: "store",
      message: `is PostgreSQL ${version}; right is ${oldestVersion} or later`,
    });
  if (row.encoding !== "UTF8")
    throw new InvalidConfig({ setting: "store", message: `is encoded in ${row.encoding}; right is UTF8` });
}

/** The driver's own parsers but for counters. */
function parsers(client: PgClient) {
  return {
    getTypeParser: ((oid: number, format?: "text" | "binary") =>
      types.getTypeParser(oid) ?? client.getTypeParser(oid, format)) as PgClient["getTypeParser"],
  };
}
