/** PostgreSQL as the store of a fleet: one server, and when a test asks for it a replica. */
import { PostgresServer } from "../postgres-server.ts";
import type { TcpProxy } from "../tcp-proxy.ts";
import type { FleetStore, Replica } from "./fleet-store.ts";
import { until } from "./until.ts";

const ours = "pid <> pg_backend_pid() and backend_type = 'client backend'";
/** The last word of a session that listens is that it does, or its question for what it missed. */
const listening = `${ours} and (query ilike '%listen %' or query ilike 'select stream, head from %')`;

export class PostgresStore implements FleetStore {
  readonly kind = "postgres";
  #server: PostgresServer;
  #replica: PostgresServer | undefined;
  #isParted = false;
  /** Dead ones, whose files are still there. */
  readonly #former: PostgresServer[] = [];

  private constructor(server: PostgresServer) {
    this.#server = server;
  }

  static async start(replica?: Replica): Promise<PostgresStore> {
    const store = new PostgresStore(await PostgresServer.start());
    if (replica !== undefined) await store.#follow(replica);
    return store;
  }

  urlThrough(relay: TcpProxy): string {
    return `postgres://postgres@127.0.0.1:${new URL(relay.url).port}/postgres`;
  }

  address(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  kill9(): Promise<void> {
    return this.#server.kill9();
  }

  restart(): Promise<void> {
    return this.#server.restart();
  }

  pause(): Promise<void> {
    return this.#server.pause();
  }

  resume(): void {
    this.#server.resume();
  }

  async cut(): Promise<number> {
    return (await this.#server.sql(`select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`)).length;
  }

  async cutBells(): Promise<number> {
    const text = `select pg_terminate_backend(pid) from pg_stat_activity where ${listening}`;
    return (await this.#server.sql(text)).length;
  }

  async holdBells(): Promise<() => void> {
    const pids = (await this.#server.sql(`select pid from pg_stat_activity where ${listening}`)).flat().map(Number);
    if (pids.length === 0) throw new Error("no session of PostgreSQL listens");
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    return () => {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    };
  }

  async partReplica(): Promise<void> {
    await this.#replica?.promote();
    this.#isParted = true;
  }

  async failOver(): Promise<void> {
    const replica = this.#replica;
    if (replica === undefined) throw new Error("there is no replica");
    this.#replica = undefined;
    await this.#server.kill9();
    this.#former.push(this.#server);
    if (!this.#isParted) await replica.promote();
    this.#server = replica;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    for (const server of [this.#server, this.#replica, ...this.#former]) await server?.[Symbol.asyncDispose]();
  }

  async #follow(how: Replica): Promise<void> {
    this.#replica = await this.#server.replica();
    if (how === "confirming") {
      await this.#server.sql("alter system set synchronous_standby_names = '*'");
      await this.#server.sql("select pg_reload_conf()");
    }
    await until("the replica follows", async () => {
      const [state, sync] = (await this.#server.sql("select state, sync_state from pg_stat_replication"))[0] ?? [];
      return state === "streaming" && sync === (how === "confirming" ? "sync" : "async");
    });
  }
}
