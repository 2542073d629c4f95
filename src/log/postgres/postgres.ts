/**
 * The event log in PostgreSQL, for several nodes that share one database: the database orders what is appended, decides who
 * was first and rings the bell. This side collects appends, judges records by their checksum and answers. Whatever fails is
 * `LogUnavailable`, nobody knows, or `LogFull`, nothing was written; each call is bounded in time.
 */
import { type Clock, systemClock } from "../../platform/clock.ts";
import { assertAppend } from "../append-rules.ts";
import { bells } from "../bells.ts";
import { logClosed } from "../closed.ts";
import type { Append, Appended, EventLog } from "../event-log.ts";
import { escalatedOf, storedEvents } from "../stored-event.ts";
import { type Answer, type AnswerRow, answersOf, appendStatement, type Placed } from "./append-call.ts";
import { bellLine } from "./bell-line.ts";
import { postgresCompaction } from "./compaction.ts";
import { connect, type Connection, type Statement } from "./connection.ts";
import { postgresDriver } from "./driver.ts";
import { failureOf, isRaced, openFailureOf } from "./failure.ts";
import { entering } from "./incarnation.ts";
import { lanesOf, type Sent } from "./lanes.ts";
import { connectionPool } from "./pool.ts";
import { postgresReads } from "./reads.ts";
import { postgresRetirement } from "./retirement.ts";
import { postgresSettings } from "./settings.ts";
import { postgresWrites } from "./writes.ts";

export interface PostgresLogOptions {
  /**
   * `postgres://<user>:<password>@<host>:<port>,…/<database>?…`. Of several hosts the first that takes writes is used. The
   * query may name: `schema`, `pool`, `partitions`, `connect_timeout_ms`, `statement_timeout_ms`, `lock_timeout_ms`,
   * `idle_in_transaction_timeout_ms`, `poll_ms`, `application_name`, `host`, `sslmode`, `sslrootcert`, `sslcert`, `sslkey`.
   */
  readonly url: string;
  /** For appends that do not say. `os`: a crash of the server may lose the newest. Default `fsync`. */
  readonly durability?: "fsync" | "os" | undefined;
  readonly clock?: Clock | undefined;
  /** Hears what a listener of `watch` threw. Default: a process warning. */
  readonly onBug?: ((error: unknown) => void) | undefined;
}

/** Of lanes, each with a connection of its own at work; the others are for reads. */
const maxLanes = 4;
/** A write that another was before, and that wrote nothing, is done again so often. */
const maxRaces = 5;
const raceWaitMs = 20;
/** 72 bits: no two nodes take each other's bells for their own. */
const nodeBytes = 9;

/**
 * Opens the store, and makes or brings up its schema.
 *
 * Fails: InvalidConfig (the URL, the account, the rights, a newer schema, no package `pg`); LogUnavailable.
 */
export async function openPostgresLog(options: PostgresLogOptions): Promise<EventLog> {
  const { url, clock = systemClock, durability = "fsync" } = options;
  const settings = postgresSettings(url);
  const { schema } = settings;
  const make = await postgresDriver();
  const enter = entering(settings, clock);
  const dial = (): Promise<Connection> => connect(make, settings, enter);
  const pool = connectionPool({ dial, maxConnections: settings.pool, waitMs: settings.connectTimeoutMs, clock });
  await pool
    .use(async () => {})
    .catch((cause: unknown) => {
      throw openFailureOf(cause);
    });

  const node = Buffer.from(clock.random(nodeBytes)).toString("base64url");
  const listeners = bells(options.onBug);
  const bell = bellLine({ schema, node, dial, ring: listeners.ring, clock, pollMs: settings.pollMs });
  const lanes = lanesOf(Math.max(1, Math.min(maxLanes, settings.pool - 1)), send);
  let closing: Promise<void> | undefined;

  /** One call, done again while it only met others. */
  async function use<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    for (let races = 0; ; races += 1) {
      try {
        return await pool.use(work);
      } catch (cause) {
        if (!isRaced(cause) || races >= maxRaces) throw failureOf(cause);
        await new Promise<void>((resolve) => clock.after(raceWaitMs * (races + 1), resolve));
      }
    }
  }

  const isOs = ({ operation }: Sent): boolean => "events" in operation && (operation.durability ?? durability) === "os";

  async function send(group: readonly Sent[]): Promise<void> {
    try {
      const { answers, epoch } = await use(async (connection) => {
        const { timeline } = connection;
        const operations = group.map(({ operation }) => operation);
        const call = { node, timeline, isOs: group.every(isOs) };
        const rows = await connection.query<AnswerRow>(appendStatement(schema, operations, call));
        return { epoch: connection.epoch, answers: answersOf(rows) };
      });
      for (const [at, { operation, settle }] of group.entries()) {
        const answer = answers[at];
        if ("events" in operation && Array.isArray(answer)) {
          const [offset, seq] = answer as unknown as Placed;
          const events = storedEvents(operation, offset, seq);
          bell.advanced(operation.stream, offset);
          const escalated = escalatedOf(operation, events);
          listeners.ring({ stream: operation.stream, epoch, head: offset, events, escalated });
          settle({ ...{ kind: "appended", epoch, offset, seq }, fence: answer[2] } as unknown as Answer);
        } else settle(answer);
      }
    } catch (cause) {
      for (const { fail } of group) fail(cause);
    }
  }

  const guarded =
    <Input extends readonly unknown[], Result>(call: (...input: Input) => Promise<Result>) =>
    (...input: Input): Promise<Result> =>
      closing === undefined ? call(...input) : Promise.reject(logClosed());
  const open: typeof use = (work) => (closing === undefined ? use(work) : Promise.reject(logClosed()));
  const ask = <Row>(statement: Statement): Promise<Row[]> => open(({ query }) => query<Row>(statement));

  const { bury, probe, ...writes } = postgresWrites({ schema, ask, clock });
  const reads = postgresReads({ schema, use: open, onLost: bury });

  return {
    isShared: true,
    ...reads,
    ...writes,
    probe,
    append: guarded(async (append: Append): Promise<Appended> => {
      assertAppend(append);
      return new Promise((resolve, reject) => {
        lanes.append(append, (answer) => resolve(answer as unknown as Appended), reject);
      });
    }),
    claim: guarded(
      (tenantId, runId) =>
        new Promise((resolve, reject) => {
          const settle = (answer: Answer): void => {
            const [fence, seq] = (answer ?? []) as readonly number[];
            resolve(fence === undefined || seq === undefined ? undefined : { fence, seq });
          };
          lanes.claim({ tenantId, runId }, settle, reject);
        }),
    ) as EventLog["claim"],
    retire: postgresRetirement(schema, ask),
    compact: postgresCompaction(schema, ask),
    watch: (listener) => listeners.watch(listener),
    follow: guarded((stream) =>
      bell.follow(stream).catch((cause: unknown) => {
        throw failureOf(cause);
      }),
    ) as EventLog["follow"],
    close: () => {
      closing ??= lanes
        .idle()
        .then(() => {
          bell.close();
          return pool.close();
        })
        .finally(() => listeners.clear());
      return closing;
    },
  };
}
