/**
 * A store that several nodes share, in the test's hand: killed, paused, cut off and failed over to its replica. Each node
 * reaches it through a relay of its own (`test/support/tcp-proxy`), which leads to wherever the store is at the moment.
 */
import type { TcpProxy } from "../tcp-proxy.ts";
import { PostgresStore } from "./postgres-store.ts";
import { RedisStore } from "./redis-store.ts";

export const storeKinds = ["postgres", "redis"] as const;
export type StoreKind = (typeof storeKinds)[number];

export interface FleetStore extends AsyncDisposable {
  readonly kind: StoreKind;
  /** Where nodes find it behind such a relay. */
  urlThrough(relay: TcpProxy): string;
  /** Where it is now, as in `http://127.0.0.1:5432`: what a relay asks for each connection. */
  address(): string;
  /** All of its processes at once, without a warning. */
  kill9(): Promise<void>;
  restart(): Promise<void>;
  /** It stands still: connections stay, and nothing is answered. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends every connection that there is, on its own side. Answers how many. */
  cut(): Promise<number>;
  /** The same for the connections that carry the bell. */
  cutBells(): Promise<number>;
  /** Only what carries the bells stands still, until the answer is called. */
  holdBells(relays: readonly TcpProxy[]): Promise<() => void>;
  /** The replica stops following: what is acknowledged from now on it never gets. */
  partReplica(): Promise<void>;
  /** The first server dies, its replica takes its place, and every relay leads there. */
  failOver(): Promise<void>;
}

/**
 * `confirming`: beside it stands a replica that has every append before it is acknowledged. `trailing`: one that follows,
 * and that nobody waits for.
 */
export type Replica = "confirming" | "trailing";

export const openStore = (kind: StoreKind, replica?: Replica): Promise<FleetStore> =>
  kind === "postgres" ? PostgresStore.start(replica) : RedisStore.start(replica);
