/**
 * A Redis server of the test's own, on a free port of loopback and without a configuration of the machine: in memory, or
 * with an append-only file in a folder of its own, which a restart reads again.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createClient } from "redis";
import { stablePort } from "./built-server.ts";
import { eventually } from "./eventually.ts";

const readyMs = 10_000;

export interface RedisTerms {
  /** With an append-only file, synced so. */
  readonly appendfsync?: "always" | "everysec";
  readonly replicaOf?: RedisServer;
  readonly isCluster?: boolean;
  readonly more?: readonly string[];
}

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  /** By which servers of a cluster speak to each other. */
  readonly busPort: number;
  readonly #folder: string;
  readonly #words: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(port: number, busPort: number, folder: string, words: readonly string[]) {
    this.port = port;
    this.busPort = busPort;
    this.#folder = folder;
    this.#words = words;
  }

  static async start({ appendfsync, replicaOf, isCluster, more = [] }: RedisTerms = {}): Promise<RedisServer> {
    if (spawnSync("redis-server", ["--version"], { stdio: "ignore" }).error !== undefined)
      throw new Error("redis-server is not installed: apt-get install redis-server");
    const words = [...more, ...(appendfsync ? ["--appendonly", "yes", "--appendfsync", appendfsync] : [])];
    if (replicaOf) words.push("--replicaof", "127.0.0.1", String(replicaOf.port));
    const busPort = isCluster ? await stablePort() : 0;
    if (isCluster) words.push("--cluster-enabled", "yes", "--cluster-port", String(busPort));
    // A killed server loses nothing of what it wrote to a file system in memory either, and does not wait for a disk.
    const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    const folder = await mkdtemp(join(base, "runcast-redis-"));
    const server = new RedisServer(await stablePort(), busPort, folder, words);
    await server.restart();
    if (replicaOf)
      await eventually(async () => {
        const isThere = (await replicaOf.info("slave0"))?.includes(`port=${server.port},state=online`);
        if (!isThere || (await server.info("master_link_status")) !== "up")
          throw new Error("the replica is not in step");
      });
    return server;
  }

  /** Of the newest commands of its append-only file. */
  get appendFile(): string {
    return join(this.#folder, "appendonlydir", "appendonly.aof.1.incr.aof");
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** It stands still, with its connections open. */
  pause(): void {
    this.signal("SIGSTOP");
  }

  resume(): void {
    this.signal("SIGCONT");
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  async restart(): Promise<void> {
    const own = [
      "--port",
      String(this.port),
      "--bind",
      "127.0.0.1",
      "--save",
      "",
      "--repl-diskless-sync-delay",
      "0",
      "--dir",
      this.#folder,
    ];
    const child = spawn("redis-server", [...own, ...this.#words], { stdio: ["ignore", "pipe", "ignore"] });
    this.#child = child;
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error("redis-server does not answer")), readyMs);
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.includes("Ready to accept connections")) resolve();
    });
    child.once("exit", () => reject(new Error("redis-server has ended")));
    await ready.finally(() => clearTimeout(timer));
  }

  /** One command, on a connection of its own. */
  async ask(...words: readonly string[]): Promise<unknown> {
    const client = createClient({ url: this.url, RESP: 2, socket: { reconnectStrategy: false } });
    client.on("error", () => {});
    await client.connect();
    try {
      return await client.sendCommand(words);
    } finally {
      client.destroy();
    }
  }

  async info(field: string): Promise<string | undefined> {
    return new RegExp(`^${field}:(.*)\r$`, "m").exec(String(await this.ask("INFO")))?.[1];
  }

  /** A replica becomes a master. */
  async promote(): Promise<void> {
    await this.ask("REPLICAOF", "NO", "ONE");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
