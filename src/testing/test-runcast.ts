/**
 * A Runcast as a test holds it: the embedding API of a complete one in memory, time that moves when it is told to,
 * clients without sockets, and a switch for each thing that can go wrong. `make-test-runcast` makes one.
 */
import type { StreamEvent } from "../../protocol/event.ts";
import type { LedgerAnswer } from "../../protocol/http.ts";
import type { Client } from "../client/client.ts";
import type { ConnectOptions } from "../client/options.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Follow, Runcast, RuncastOptions } from "../runcast.ts";
import type { Level } from "../telemetry/journal.ts";
import type { ManualClock } from "./manual-clock.ts";
import type { LogFaults } from "./world/faulty-log.ts";
import type { NetworkFaults } from "./world/network.ts";
import type { Hello, TestClient } from "./world/test-client.ts";

export interface TestRuncastOptions extends Omit<RuncastOptions, "auth" | "store" | "clock" | "apiKeys"> {
  /** Default: a token is the name of its user. */
  readonly auth?: RuncastOptions["auth"] | undefined;
  /** A log of your own to run on; default a new one in memory. It is yours to close. */
  readonly store?: EventLog | undefined;
  /** Default: one that starts at 2026-01-01T00:00:00Z. */
  readonly clock?: ManualClock | undefined;
  /** Of ids, epochs and the clients' jitter: the same seed, the same world. Default 1. */
  readonly seed?: number | undefined;
}

export interface JournalEntry {
  readonly level: Level;
  readonly what: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A user, by id, or by id and tenant. */
export type TestUser = string | { readonly userId: string; readonly tenantId?: string | undefined };

export interface TestRuncast extends Runcast, AsyncDisposable {
  readonly clock: ManualClock;
  /** What can go wrong between this process and its log. */
  readonly log: LogFaults;
  /** What can go wrong between clients and the process. */
  readonly network: NetworkFaults;
  /** What the process told its operator, from all processes of this world. */
  readonly journal: readonly JournalEntry[];
  /** Moves time on: leases, heartbeats, deadlines, backoffs. Units: milliseconds. */
  advance(ms: number): Promise<void>;
  /** Lets everything that is under way come to rest, without time passing. */
  settle(): Promise<void>;
  /**
   * Moves time on, timer by timer, until the promise has settled; gives its value.
   *
   * Fails: as the promise does; when it has not settled after `maxMs` of the clock (default an hour).
   */
  until<Value>(promise: PromiseLike<Value>, maxMs?: number): Promise<Value>;
  /** All that stands in a user's stream now, straight from the log. */
  events(userId: string, tenantId?: string): Promise<readonly StreamEvent[]>;
  events(follow: Follow): AsyncIterable<StreamEvent>;
  /** What became of the events of a user, or of all: accepted = acked + stored + deadLettered, or `difference` tells. */
  ledger(user?: TestUser): Promise<LedgerAnswer>;
  /** A scripted client of this user that has been welcomed. `hello`: cursor, from, device, want, another token. */
  connect(user: TestUser, hello?: Hello): Promise<TestClient>;
  /** A scripted client that has said nothing yet. */
  dial(user: TestUser): TestClient;
  /** Our real client, connected in memory and on this clock. */
  client(user: TestUser, options?: Partial<ConnectOptions>): Client;
  /** What `connect` of `runcast/client` needs to come here: for code of yours that calls it. */
  clientOptions(user: TestUser): ConnectOptions;
  /**
   * kill -9: nothing of this process is carried out, answered or heard any more, and its connections die. Gives the
   * next process on the same log.
   */
  crash(): Promise<TestRuncast>;
  /** The same, and no process comes after it. */
  kill(): void;
  /** A deploy: this process drains and ends. Gives the next one on the same log. */
  restart(): Promise<TestRuncast>;
}
