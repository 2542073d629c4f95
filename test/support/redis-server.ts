/** A Redis server of the test's own, on a free port of loopback, in memory and without a configuration of the machine. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { stablePort } from "./built-server.ts";

const readyMs = 10_000;

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #extra: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(port: number, extra: readonly string[]) {
    this.port = port;
    this.#extra = extra;
  }

  static async start(...extra: readonly string[]): Promise<RedisServer> {
    if (spawnSync("redis-server", ["--version"], { stdio: "ignore" }).error !== undefined)
      throw new Error("redis-server is not installed: apt-get install redis-server");
    const server = new RedisServer(await stablePort(), extra);
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
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
    const words = ["--port", String(this.port), "--bind", "127.0.0.1", "--save", "", ...this.#extra];
    const child = spawn("redis-server", words, { stdio: ["ignore", "pipe", "ignore"] });
    this.#child = child;
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error("redis-server does not answer")), readyMs);
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.includes("Ready to accept connections")) resolve();
    });
    child.once("exit", () => reject(new Error("redis-server has ended")));
    await ready.finally(() => clearTimeout(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGCONT");
    await this.kill();
  }
}
