/**
 * The tables of the SQLite log and how an older file becomes a newer one. The version stands in `user_version`;
 * a file of a newer version, or of another program, is refused before anything in it is touched.
 */
import type { DatabaseSync } from "node:sqlite";

/** "RUNC": names the file's program in its header. */
const applicationId = 0x52_55_4e_43;

/** Each brings the schema from its index to the next version. What is released is never edited, only added to. */
const migrations: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL DEFAULT 1,
    head INTEGER NOT NULL DEFAULT 0,
    acked INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    stream INTEGER NOT NULL,
    thread TEXT,
    agent TEXT NOT NULL,
    profile TEXT NOT NULL,
    on_illegal TEXT NOT NULL,
    mode TEXT NOT NULL,
    lease_ms INTEGER NOT NULL,
    parent_run_id TEXT,
    start_digest TEXT NOT NULL,
    started_at TEXT NOT NULL,
    fence INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    last_offset INTEGER NOT NULL,
    ended TEXT,
    UNIQUE (tenant, run_id)
  ) STRICT;
  -- An index entry ends in the row's id, which is the order of creation: pages need no sort.
  CREATE INDEX runs_of_stream ON runs (stream);
  CREATE INDEX runs_of_tenant ON runs (tenant);
  -- Also for the sweep over all living runs, which must not look at every run that ever was.
  CREATE INDEX runs_living ON runs (stream) WHERE ended IS NULL;

  -- A row holds the events of one append, or a part of them (see chunk). Appended in commit order, so rows go to
  -- the end of the table. A run has no index: its events lie in its owner's stream between the run's first and last
  -- offset.
  CREATE TABLE events (
    row INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    last_offset INTEGER NOT NULL,
    run INTEGER,
    first_seq INTEGER,
    meta TEXT NOT NULL,
    data TEXT NOT NULL,
    crc INTEGER NOT NULL
  ) STRICT;
  -- first_offset is there so that events are counted without touching the table.
  CREATE UNIQUE INDEX events_place ON events (stream, last_offset, first_offset);

  -- The owner of a key is a run (its id) or the notices of a stream (its id, negated).
  CREATE TABLE keys (
    owner INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    seq INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (owner, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE approvals (
    tenant TEXT NOT NULL,
    approval_id TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (tenant, approval_id, run)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE cursors (
    stream INTEGER NOT NULL,
    device TEXT NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (stream, device)
  ) STRICT, WITHOUT ROWID;

  -- Offsets whose record is broken or gone. Found by reads, counted by the ledger.
  CREATE TABLE dead_letters (
    stream INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (stream, offset)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    reason TEXT NOT NULL,
    time TEXT NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE runs ADD COLUMN deadline_ms INTEGER;
  -- When it ended, until its rows are compacted; and the offset up to which they are.
  ALTER TABLE runs ADD COLUMN compact_at TEXT;
  ALTER TABLE runs ADD COLUMN compacted INTEGER NOT NULL DEFAULT 0;
  UPDATE runs SET compact_at = '' WHERE ended IS NOT NULL;
  CREATE INDEX runs_to_compact ON runs (compact_at) WHERE compact_at IS NOT NULL;

  -- Of the events before \`first\`, those that nobody had acknowledged or that were lost.
  ALTER TABLE streams ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
  -- No event of the stream is older. Null: it has none.
  ALTER TABLE streams ADD COLUMN oldest TEXT;
  UPDATE streams SET oldest = '' WHERE head > 0;
  CREATE INDEX streams_oldest ON streams (oldest) WHERE oldest IS NOT NULL;

  CREATE INDEX approvals_of_run ON approvals (run);

  -- Whose rows wait to be deleted: a stream's events before its first (its id, negated), a retired run's keys (its id).
  CREATE TABLE rubbish (owner INTEGER PRIMARY KEY) STRICT;

  CREATE TABLE letters (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    stream INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    run_id TEXT,
    type TEXT,
    data TEXT,
    from_offset INTEGER,
    upto_offset INTEGER,
    events INTEGER,
    reason TEXT NOT NULL,
    time TEXT NOT NULL
  ) STRICT;
  CREATE INDEX letters_of_stream ON letters (stream);
  INSERT INTO letters (id, kind, stream, tenant, run_id, type, data, reason, time)
    SELECT id, 'quarantined', stream, tenant, run_id, type, data, reason, time FROM quarantine;
  DROP TABLE quarantine;
  `,
  `
  -- Small things beside the streams: flags, revocations, subscriptions (see log/documents).
  CREATE TABLE documents (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
  ) STRICT, WITHOUT ROWID;

  -- What must be told if nobody acknowledges it (see log/outbox).
  CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    run_id TEXT,
    thread TEXT,
    time TEXT NOT NULL,
    state TEXT NOT NULL,
    note TEXT NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (stream, offset)
  ) STRICT;
  -- What is told stays as a mark: who looks for the rest must not walk over it.
  CREATE INDEX outbox_open ON outbox (id) WHERE state <> 'told';
  `,
  `
  -- Pages of a user's runs are named by the place in the stream: the id would tell how many runs others have made.
  DROP INDEX runs_of_stream;
  CREATE INDEX runs_of_stream ON runs (stream, first_offset);
  `,
];

export const schemaVersion = migrations.length;

/** The file cannot be a log of this version: its message says why. */
export class WrongSchema extends Error {}

/** Brings an empty or older file to this version, in one transaction. Fails: WrongSchema. */
export function migrate(database: DatabaseSync): void {
  const version = pragma(database, "user_version");
  if (version > schemaVersion) {
    throw new WrongSchema(`has schema version ${version}; this release knows ${schemaVersion}: use a newer release`);
  }
  const owner = pragma(database, "application_id");
  const foreign = version === 0 ? isInUse(database) : owner !== applicationId;
  if (foreign) throw new WrongSchema("is a database of another program");
  if (version === schemaVersion) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    for (const migration of migrations.slice(version)) database.exec(migration);
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function isInUse(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() !== undefined;
}

function pragma(database: DatabaseSync, name: "user_version" | "application_id"): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}
