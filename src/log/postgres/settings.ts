/**
 * What a PostgreSQL store is told: the connection string with its own query, read once and checked. Before it stands
 * whoever configures; behind it `connection`. The password goes no further than there.
 */
import { readFileSync } from "node:fs";
import { InvalidConfig } from "../../errors.ts";

export interface PostgresHost {
  readonly host: string;
  readonly port: number;
}

export interface PostgresSettings {
  /** Tried in order until one takes writes. */
  readonly hosts: readonly PostgresHost[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly ssl: false | { readonly rejectUnauthorized: boolean; readonly ca?: string; cert?: string; key?: string };
  readonly schema: string;
  readonly applicationName: string;
  /** Connections at most, besides the one that listens. */
  readonly pool: number;
  /** How many tables each table is split into; counts only where the schema is made. */
  readonly partitions: number;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
  /** How often followed streams are looked at, whatever was heard; also how soon a dead listening line is noticed. */
  readonly pollMs: number;
}

interface NumberRow {
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

const hourMs = 3_600_000;

const numbers = {
  pool: { default: 10, min: 1, max: 500 },
  partitions: { default: 16, min: 1, max: 256 },
  connect_timeout_ms: { default: 5_000, min: 50, max: hourMs },
  statement_timeout_ms: { default: 10_000, min: 50, max: hourMs },
  lock_timeout_ms: { default: 5_000, min: 10, max: hourMs },
  idle_in_transaction_timeout_ms: { default: 10_000, min: 50, max: hourMs },
  poll_ms: { default: 5_000, min: 50, max: hourMs },
} as const satisfies Record<string, NumberRow>;

const words = ["schema", "application_name", "host", "sslmode", "sslrootcert", "sslcert", "sslkey"] as const;
const known: readonly string[] = [...Object.keys(numbers), ...words, "target_session_attrs"];

const defaultPort = 5_432;
const sslModes = ["disable", "no-verify", "require", "verify-ca", "verify-full"];
/** PostgreSQL cuts longer names, and a channel's name has the schema's in it. */
const schemaName = /^[a-z_][a-z0-9_]{0,39}$/;

const wrong = (what: string): InvalidConfig => new InvalidConfig({ setting: "store", message: what });

/**
 * Reads `postgres://user:password@host:port,host:port/database?schema=…&pool=…`.
 *
 * Fails: InvalidConfig, without the password.
 */
export function postgresSettings(url: string): PostgresSettings {
  const parts = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(url);
  if (parts === null)
    throw wrong("is no PostgreSQL URL; right is postgres://<user>:<password>@<host>:<port>/<database>");
  const [, account = "", authority = "", database = "", search = ""] = parts;
  const query = new URLSearchParams(search);
  for (const name of query.keys()) {
    if (!known.includes(name)) {
      throw wrong(
        `has the option "${shown(name)}", which PostgreSQL stores do not know; known are ${known.join(", ")}`,
      );
    }
    if (query.getAll(name).length > 1) throw wrong(`has the option "${name}" more than once`);
  }
  const session = query.get("target_session_attrs") ?? "read-write";
  if (!["read-write", "primary"].includes(session)) {
    throw wrong('has a target_session_attrs that is not "read-write": a log is written to');
  }
  const schema = query.get("schema") ?? "runcast";
  if (!schemaName.test(schema)) {
    throw wrong(`has a schema "${shown(schema)}"; right are 1 to 40 of a-z 0-9 _, not beginning with a digit`);
  }
  const colon = account.indexOf(":");
  const user = decoded(colon < 0 ? account : account.slice(0, colon));
  return {
    hosts: hostsOf(query.get("host") ?? authority),
    user: user === "" ? undefined : user,
    password: colon < 0 ? undefined : decoded(account.slice(colon + 1)),
    database: database === "" ? undefined : decoded(database),
    ssl: sslOf(query),
    schema,
    applicationName: query.get("application_name") ?? "runcast",
    pool: numberOf(query, "pool"),
    partitions: numberOf(query, "partitions"),
    connectTimeoutMs: numberOf(query, "connect_timeout_ms"),
    statementTimeoutMs: numberOf(query, "statement_timeout_ms"),
    lockTimeoutMs: numberOf(query, "lock_timeout_ms"),
    idleInTransactionTimeoutMs: numberOf(query, "idle_in_transaction_timeout_ms"),
    pollMs: numberOf(query, "poll_ms"),
  };
}

/** The store as an operator may see it: without user, password and options. */
export function shownPostgresUrl(url: string): string {
  const { hosts, database, schema } = postgresSettings(url);
  const where = hosts.map(({ host, port }) => (port === defaultPort ? host : `${host}:${port}`)).join(",");
  return `postgres://${where}/${database ?? ""}${schema === "runcast" ? "" : `?schema=${schema}`}`;
}

function numberOf(query: URLSearchParams, name: keyof typeof numbers): number {
  const text = query.get(name);
  const row: NumberRow = numbers[name];
  if (text === null) return row.default;
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= row.min && value <= row.max) return value;
  throw wrong(`has a ${name} of "${shown(text)}"; right is ${row.min} to ${row.max}`);
}

function hostsOf(authority: string): readonly PostgresHost[] {
  // Without any, as libpq does: this machine.
  if (authority === "") return [{ host: "localhost", port: defaultPort }];
  return authority.split(",").map((one) => {
    const found = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(decoded(one));
    const [, host, port] = found ?? [];
    if (host === undefined) throw wrong(`has a host "${shown(one)}"; right is <host> or <host>:<port>`);
    return { host: host.replace(/^\[(.*)\]$/, "$1"), port: port === undefined ? defaultPort : Number(port) };
  });
}

function sslOf(query: URLSearchParams): PostgresSettings["ssl"] {
  const files = { ca: query.get("sslrootcert"), cert: query.get("sslcert"), key: query.get("sslkey") };
  const mode = query.get("sslmode") ?? (files.ca === null ? "disable" : "verify-full");
  if (!sslModes.includes(mode)) throw wrong(`has an sslmode "${shown(mode)}"; right is one of ${sslModes.join(", ")}`);
  if (mode === "disable") return false;
  const read = Object.entries(files).flatMap(([name, file]) => (file === null ? [] : [[name, contentOf(file)]]));
  return { rejectUnauthorized: mode !== "no-verify", ...(Object.fromEntries(read) as Record<string, string>) };
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw wrong(`names the file "${shown(file)}", which cannot be read`);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("has a part with a % that begins no escape; right is %25 for the sign itself");
  }
}

const maxShownChars = 60;
const shown = (text: string): string => text.slice(0, maxShownChars).toWellFormed();
