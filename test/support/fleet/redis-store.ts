/** Redis with an append-only file as the store of a fleet, and when a test asks for it a replica. */
import { RedisServer } from "../redis-server.ts";
import type { TcpProxy } from "../tcp-proxy.ts";
import type { FleetStore, Replica } from "./fleet-store.ts";
import { until } from "./until.ts";

/** What carries bells: it is subscribed, or waits for the next entry of a stream. */
const carriesBells = /\b(sub|ssub|psub)=[1-9]|\bcmd=xread\b/;

const durable = { appendfsync: "always" } as const;

export class RedisStore implements FleetStore {
  readonly kind = "redis";
  #server: RedisServer;
  #replica: RedisServer | undefined;
  #query = "";
  readonly #former: RedisServer[] = [];

  private constructor(server: RedisServer) {
    this.#server = server;
  }

  static async start(replica?: Replica): Promise<RedisStore> {
    const store = new RedisStore(await RedisServer.start(durable));
    if (replica !== undefined) await store.#follow();
    store.#query = replica === "confirming" ? "?wait=1" : "";
    return store;
  }

  urlThrough(relay: TcpProxy): string {
    return `redis://127.0.0.1:${new URL(relay.url).port}${this.#query}`;
  }

  address(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  kill9(): Promise<void> {
    return this.#server.kill();
  }

  restart(): Promise<void> {
    return this.#server.restart();
  }

  async pause(): Promise<void> {
    this.#server.pause();
  }

  resume(): void {
    this.#server.resume();
  }

  async cut(): Promise<number> {
    return (await this.#kill("TYPE", "normal")) + (await this.#kill("TYPE", "pubsub"));
  }

  async cutBells(): Promise<number> {
    let count = 0;
    for (const line of await this.#bells()) count += await this.#kill("ID", /\bid=(\d+)/.exec(line)?.[1] ?? "");
    return count;
  }

  async holdBells(relays: readonly TcpProxy[]): Promise<() => void> {
    const ports = (await this.#bells()).map((line) => Number(/\baddr=\S+:(\d+)/.exec(line)?.[1]));
    const links = relays.flatMap((relay) => relay.links).filter((link) => ports.includes(link.port));
    if (links.length === 0) throw new Error("no connection of Redis carries bells");
    for (const link of links) link.hold();
    return () => {
      for (const link of links) link.release();
    };
  }

  async partReplica(): Promise<void> {
    await this.#replica?.promote();
  }

  async failOver(): Promise<void> {
    const replica = this.#replica;
    if (replica === undefined) throw new Error("there is no replica");
    await this.#server.kill();
    this.#former.push(this.#server);
    await replica.promote();
    this.#server = replica;
    // Who waits for a replica needs one from here on as well.
    if (this.#query === "") this.#replica = undefined;
    else await this.#follow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#server, this.#replica, ...this.#former]) await server?.[Symbol.asyncDispose]();
  }

  async #follow(): Promise<void> {
    const replicaOf = this.#server;
    this.#replica = await RedisServer.start({ ...durable, replicaOf });
    await until("the replica is in step", async () => /state=online/.test((await replicaOf.info("slave0")) ?? ""));
  }

  async #bells(): Promise<readonly string[]> {
    return String(await this.#server.ask("CLIENT", "LIST"))
      .split("\n")
      .filter((line) => carriesBells.test(line));
  }

  async #kill(...words: readonly string[]): Promise<number> {
    return Number(await this.#server.ask("CLIENT", "KILL", ...words));
  }
}
