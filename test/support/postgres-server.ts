/**
 * A PostgreSQL server of the test's own, on a free port of loopback, started in a copy of a data directory that is made
 * once a machine. It trusts everybody on loopback and does not wait for the disk: a killed process loses nothing by that.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stablePort } from "./built-server.ts";

const readyMs = 20_000;
const installed = "/usr/lib/postgresql";
const oldestVersion = 14;

/** Where its programs stand: the newest that is installed. */
const programs = (): string => {
  const versions = existsSync(installed) ? readdirSync(installed).map(Number) : [];
  const newest = Math.max(0, ...versions.filter((version) => version >= oldestVersion));
  if (newest > 0) return join(installed, String(newest), "bin");
  const found = spawnSync("which", ["postgres"], { encoding: "utf8" }).stdout?.trim() ?? "";
  if (found === "") throw new Error("PostgreSQL (14 or later) is not installed: apt-get install postgresql");
  return join(found, "..");
};

/** It does not run as root: it then runs as the first of these that the machine knows. */
function ownerOf(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name], { encoding: "utf8" }).stdout?.trim());
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("PostgreSQL does not run as root, and neither `postgres` nor `nobody` is a user here");
}

function run(program: string, ...words: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, words, { ...ownerOf(), cwd: tmpdir(), encoding: "utf8" });
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr}`);
}

async function ownFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), name));
  await chmod(folder, 0o700);
  const owner = ownerOf();
  if (owner) await chown(folder, owner.uid, owner.gid);
  return folder;
}

/** The data directory that all servers are copied from: made by whoever needs it first. */
async function template(): Promise<string> {
  const bin = programs();
  const version = spawnSync(join(bin, "postgres"), ["--version"], { encoding: "utf8" }).stdout.replace(/[^\d.]+/g, "-");
  const ready = join(tmpdir(), `runcast-postgres-${process.getuid?.() ?? ""}${version}`);
  if (existsSync(ready)) return ready;
  const made = await ownFolder("runcast-initdb-");
  const words = ["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D", join(made, "data")];
  run(join(bin, "initdb"), ...words);
  // Of two that make it at once one wins, and either copy is good.
  await rename(made, ready).catch(() => rm(made, { recursive: true, force: true }));
  return ready;
}

async function childrenOf(pid: number): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    if (Number(parent) === pid) found.push(Number(name));
  }
  return found;
}

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #settings: readonly string[];
  #child: ChildProcess | undefined;
  #paused: readonly number[] = [];
  #databases = 0;

  private constructor(port: number, folder: string, settings: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#settings = settings;
  }

  /** `settings`: as in `max_connections=20`. */
  static async start(...settings: readonly string[]): Promise<PostgresServer> {
    const folder = await ownFolder("runcast-postgres-");
    run("cp", "-a", join(await template(), "data"), join(folder, "data"));
    const server = new PostgresServer(await stablePort(), folder, settings);
    await server.restart();
    return server;
  }

  /** A streaming replica of this server as it stands: behind by as much as the wire. */
  async replica(): Promise<PostgresServer> {
    const folder = await ownFolder("runcast-postgres-");
    const from = ["-h", "127.0.0.1", "-p", String(this.port), "-U", "postgres"];
    run(join(programs(), "pg_basebackup"), ...from, "-D", join(folder, "data"), "-R", "-X", "stream", "-c", "fast");
    const server = new PostgresServer(await stablePort(), folder, this.#settings);
    await server.restart();
    return server;
  }

  /** Of a database, by default the one that always is there. */
  url(database = "postgres"): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  /** A database of its own for a test. */
  async database(): Promise<string> {
    this.#databases += 1;
    const name = `test_${this.#databases}`;
    await this.sql(`CREATE DATABASE ${name}`);
    return this.url(name);
  }

  /** One statement, as the superuser; its rows as arrays. */
  async sql(text: string, database = "postgres"): Promise<unknown[][]> {
    const { Client } = (await import("pg")).default;
    const client = new Client({ connectionString: this.url(database) });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query<unknown[]>({ text, rowMode: "array" })).rows;
    } finally {
      await client.end();
    }
  }

  /** Ends it as a machine ends that loses its power, but for the disk. */
  async kill9(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    const children = await childrenOf(child.pid);
    const exited = once(child, "exit");
    for (const pid of [child.pid, ...children]) signal(pid, "SIGKILL");
    this.#child = undefined;
    this.#paused = [];
    await exited;
  }

  /** Ends it at once, as an administrator does: connections are cut, what was committed is on disk. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.kill("SIGINT");
    this.#child = undefined;
    await exited;
  }

  /** Starts it again, with the data that it has. */
  async restart(): Promise<void> {
    await this.stop();
    const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "full_page_writes=off"];
    settings.push("shared_buffers=32MB", "max_connections=200", "wal_level=replica", "hot_standby=on");
    settings.push("log_checkpoints=off", ...this.#settings);
    const words = [
      "-D",
      join(this.#folder, "data"),
      "-p",
      String(this.port),
      ...settings.flatMap((one) => ["-c", one]),
    ];
    const child = spawn(join(programs(), "postgres"), words, {
      ...{ stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env["PATH"], LC_ALL: "C" }, cwd: tmpdir() },
      ...ownerOf(),
    });
    this.#child = child;
    const said: string[] = [];
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`PostgreSQL does not get ready: ${said.join("\n")}`)), readyMs);
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      if (/ready to accept (read-only )?connections/.test(line)) resolve();
    });
    child.once("exit", () => reject(new Error(`PostgreSQL has ended: ${said.join("\n")}`)));
    await ready.finally(() => clearTimeout(timer));
  }

  /** Stops the clock of every process of it: sockets stay open, and nobody answers. */
  async pause(): Promise<void> {
    if (this.#child?.pid === undefined) return;
    this.#paused = [this.#child.pid, ...(await childrenOf(this.#child.pid))];
    for (const pid of this.#paused) signal(pid, "SIGSTOP");
  }

  resume(): void {
    for (const pid of this.#paused) signal(pid, "SIGCONT");
    this.#paused = [];
  }

  /** Makes a primary of a replica. */
  async promote(): Promise<void> {
    await this.sql("SELECT pg_promote(true, 20)");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.kill9();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}
