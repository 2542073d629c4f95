/** A PostgreSQL server of the bench's own, on a free port of loopback, with its default durability. */
import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { stablePort } from "../../test/support/built-server.ts";

const installed = "/usr/lib/postgresql";
const readyMs = 20_000;
const lookMs = 50;

/** The server does not run as root. */
function ownerOf(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

function programs(): string {
  const newest = existsSync(installed)
    ? readdirSync(installed).toSorted((a, b) => Number(b) - Number(a))[0]
    : undefined;
  if (newest === undefined) throw new Error("PostgreSQL is not installed: apt-get install postgresql");
  return join(installed, newest, "bin");
}

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  private readonly child: ChildProcess;
  private readonly folder: string;
  private databases = 0;

  private constructor(port: number, child: ChildProcess, folder: string) {
    this.port = port;
    this.child = child;
    this.pid = child.pid ?? 0;
    this.folder = folder;
  }

  static async start(): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), "runcast-bench-pg-"));
    const owner = ownerOf();
    if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
    const run = { cwd: folder, stdio: "ignore", ...owner } as const;
    execFileSync(join(programs(), "initdb"), ["-D", join(folder, "data"), "-U", "bench", "--auth=trust", "-N"], run);
    const port = await stablePort();
    const settings = {
      port,
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      max_connections: 200,
      shared_buffers: "256MB",
      max_wal_size: "2GB",
    };
    const words = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(join(programs(), "postgres"), ["-D", join(folder, "data"), ...words], run);
    const server = new PostgresServer(port, child, folder);
    const endMs = performance.now() + readyMs;
    for (;;) {
      try {
        await server.ask("SELECT 1", "postgres");
        return server;
      } catch (error) {
        if (performance.now() > endMs || child.exitCode !== null) throw error;
        await new Promise((resolve) => setTimeout(resolve, lookMs));
      }
    }
  }

  /** A database that nobody has used. */
  async freshUrl(): Promise<string> {
    this.databases += 1;
    const name = `bench${this.databases}`;
    await this.ask(`CREATE DATABASE ${name}`, "postgres");
    return `postgres://bench@127.0.0.1:${this.port}/${name}`;
  }

  async ask(query: string, database: string): Promise<readonly Record<string, unknown>[]> {
    const client = new Client({ connectionString: `postgres://bench@127.0.0.1:${this.port}/${database}` });
    await client.connect();
    try {
      return (await client.query(query)).rows;
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.child, "exit");
    // Immediate: what it holds is thrown away.
    this.child.kill("SIGQUIT");
    await exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
