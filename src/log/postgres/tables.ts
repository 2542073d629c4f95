/**
 * The tables of the first schema. All that belongs to a user is partitioned by a hash of the user's stream, which only
 * routes: the stream's key itself is the key, so no two users ever share a row (L8). `functions` writes them.
 */

/** Text is compared byte by byte, which in UTF-8 is code point by code point; a locale would fold and reorder. */
const text = 'text COLLATE "C"';

/** Counters change at every append: room for the new version beside the old one, and a vacuum before there are many. */
const counters = "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500";

interface Table {
  readonly name: string;
  readonly columns: string;
  /** What the partitions are made by. */
  readonly by: string;
  readonly storage?: string;
  readonly indexes?: readonly string[];
}

const tables: readonly Table[] = [
  {
    // One row a user: its lock is what orders the appends of a stream, and no index covers what an append changes.
    name: "streams",
    columns: `stream ${text} PRIMARY KEY, first bigint NOT NULL DEFAULT 1, head bigint NOT NULL DEFAULT 0,
      dead bigint NOT NULL DEFAULT 0, oldest ${text}`,
    by: "stream",
    storage: counters,
    // What a sweep begins with.
    indexes: ["(oldest, stream) WHERE oldest IS NOT NULL"],
  },
  {
    // Apart from the streams: who acknowledges never waits for who appends.
    name: "acks",
    columns: `stream ${text} PRIMARY KEY, acked bigint NOT NULL`,
    by: "stream",
    storage: counters,
  },
  {
    // A row is a chunk (see log/chunk). The key is its place, and the only index: a read is one walk along it.
    name: "events",
    columns: `stream ${text} NOT NULL, first_offset bigint NOT NULL, last_offset bigint NOT NULL, run bigint,
      run_id ${text}, first_seq bigint, time ${text} NOT NULL, units int NOT NULL, meta ${text} NOT NULL,
      data ${text} NOT NULL, crc bigint NOT NULL, PRIMARY KEY (stream, last_offset)`,
    by: "stream",
  },
  {
    // A run is named by its stream and its first offset, which no other run ever has.
    name: "runs",
    columns: `stream ${text} NOT NULL, first_offset bigint NOT NULL, place bigint NOT NULL, tenant ${text} NOT NULL,
      run_id ${text} NOT NULL, thread ${text}, agent ${text} NOT NULL, profile ${text} NOT NULL,
      on_illegal ${text} NOT NULL, mode ${text} NOT NULL, lease_ms bigint NOT NULL, deadline_ms bigint,
      parent_run_id ${text}, start_digest ${text} NOT NULL, started_at ${text} NOT NULL, fence bigint NOT NULL,
      seq bigint NOT NULL, last_offset bigint NOT NULL, ended ${text}, compact_at ${text},
      compacted bigint NOT NULL DEFAULT 0, PRIMARY KEY (stream, first_offset)`,
    by: "stream",
    storage: counters,
    indexes: [
      // The living of a user, for every snapshot; the living of all, for the sweep of orphans.
      "(stream, first_offset) WHERE ended IS NULL",
      "(place) WHERE ended IS NULL",
      // Listings, newest first: of all, and of a tenant.
      "(place)",
      "(tenant, place)",
      "(compact_at) WHERE compact_at IS NOT NULL",
    ],
  },
  {
    // Where a run is: its id is unique in its tenant, whoever owns it.
    name: "names",
    columns: `run_id ${text} NOT NULL, tenant ${text} NOT NULL, stream ${text} NOT NULL, first_offset bigint NOT NULL,
      PRIMARY KEY (run_id, tenant)`,
    by: "run_id",
  },
  {
    // Of a run, or with run 0 of the notices.
    name: "keys",
    columns: `stream ${text} NOT NULL, run bigint NOT NULL, name ${text} NOT NULL, digest ${text} NOT NULL,
      seq bigint NOT NULL, at_offset bigint NOT NULL, PRIMARY KEY (stream, run, name)`,
    by: "stream",
  },
  {
    name: "approvals",
    columns: `approval_id ${text} NOT NULL, tenant ${text} NOT NULL, stream ${text} NOT NULL, run bigint NOT NULL,
      PRIMARY KEY (approval_id, tenant, stream, run)`,
    by: "stream",
    // Who retires a run takes its approvals along.
    indexes: ["(stream, run)"],
  },
  {
    name: "cursors",
    columns: `stream ${text} NOT NULL, device ${text} NOT NULL, at_offset bigint NOT NULL, PRIMARY KEY (stream, device)`,
    by: "stream",
    storage: counters,
  },
  {
    name: "outbox",
    columns: `stream ${text} NOT NULL, at_offset bigint NOT NULL, place bigint NOT NULL, event_id ${text} NOT NULL,
      type ${text} NOT NULL, run_id ${text}, thread ${text}, time ${text} NOT NULL, state ${text} NOT NULL,
      note ${text} NOT NULL, version bigint NOT NULL, PRIMARY KEY (stream, at_offset)`,
    by: "stream",
    storage: counters,
    // What is told stays for the whole retention: who asks for the rest does not walk over it.
    indexes: ["(place) WHERE state <> 'told'", "(place)"],
  },
  {
    name: "letters",
    columns: `stream ${text} NOT NULL, place bigint NOT NULL, kind ${text} NOT NULL, tenant ${text} NOT NULL,
      run_id ${text}, type ${text}, data ${text}, from_offset bigint, upto_offset bigint, events bigint,
      reason ${text} NOT NULL, time ${text} NOT NULL, PRIMARY KEY (stream, place)`,
    by: "stream",
    indexes: ["(place)", "(time)"],
  },
  {
    // Offsets whose record failed its checksum or is gone: known, counted, named once.
    name: "lost",
    columns: `stream ${text} NOT NULL, at_offset bigint NOT NULL, PRIMARY KEY (stream, at_offset)`,
    by: "stream",
  },
  {
    // What is retired and not deleted yet: with run 0 the stream's beginning, else the keys of a run.
    name: "rubbish",
    columns: `stream ${text} NOT NULL, run bigint NOT NULL, PRIMARY KEY (stream, run)`,
    by: "stream",
  },
];

/** Every table that holds what was written; `migrations` and `incarnation` stand beside them. */
export const tableNames: readonly string[] = [...tables.map(({ name }) => name), "documents"];

/** The statements that make them. `schema` is a checked name. */
export function createTables(schema: string, partitions: number): readonly string[] {
  const made = tables.flatMap(({ name, columns, by, storage, indexes = [] }) => [
    `CREATE TABLE ${schema}.${name} (${columns}) PARTITION BY HASH (${by})`,
    ...Array.from(
      { length: partitions },
      (_, at) =>
        `CREATE TABLE ${schema}.${name}_${at} PARTITION OF ${schema}.${name}
         FOR VALUES WITH (MODULUS ${partitions}, REMAINDER ${at})${storage === undefined ? "" : ` WITH (${storage})`}`,
    ),
    ...indexes.map((index) => `CREATE INDEX ON ${schema}.${name} ${index}`),
  ]);
  return [
    ...made,
    `CREATE SEQUENCE ${schema}.places`,
    `CREATE TABLE ${schema}.documents (kind ${text} NOT NULL, key ${text} NOT NULL, value ${text} NOT NULL,
       version bigint NOT NULL, PRIMARY KEY (kind, key)) WITH (${counters})`,
    // Which history this is (see log/postgres/incarnation).
    `CREATE TABLE ${schema}.incarnation (is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one), source ${text} NOT NULL,
       epoch ${text} NOT NULL)`,
  ];
}
