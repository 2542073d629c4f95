/**
 * The built server as a process of its own: started on a store of its own, killed, started again on the same port
 * and store, and stopped as an operator does. Tests talk to it over loopback only.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { SignJWT } from "jose";

export const jwtSecret = "the-secret-of-the-end-to-end-tests-0123456789";
/** `name:key:tenants:rights`, as the server reads them. */
export const apiKeys = { publish: "key-publish", admin: "key-admin", both: "key-both", acme: "key-acme" } as const;

const apiKeySetting = [
  `publish:${apiKeys.publish}`,
  `admin:${apiKeys.admin}:*:admin`,
  `both:${apiKeys.both}:*:publish+admin`,
  `acme:${apiKeys.acme}:acme:publish+admin`,
].join(";");

const root = fileURLToPath(new URL("../..", import.meta.url));
export const mainFile = join(root, "dist/src/cli/main.js");
/** Of several at once, on a machine with other work. */
const startTimeoutMs = 60_000;
const exitTimeoutMs = 15_000;
/** Below the ports that the kernel gives to outgoing connections: nobody takes it while the server is down. */
const firstStablePort = 20_000;
const lastStablePort = 32_000;

export interface BuiltServerOptions {
  /** After `serve`, as in `["--demo"]`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** No secret is configured: demo users, a demo token, a demo key. */
  readonly dev?: boolean;
  /** How many files and sockets it may have open (`ulimit -n`). */
  readonly openFiles?: number;
  /** 0: the server chooses. Default: a free one that it keeps over a restart. */
  readonly port?: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From the signal to the end of the process. */
  readonly ms: number;
}

const terminatedExitCode = 143;
/** What still runs when a test timed out and never came to its end: it must not outlive the tests. */
const running = new Set<ChildProcess>();
const endAll = (): void => {
  for (const child of running) child.kill("SIGKILL");
};
process.once("exit", endAll);
// A worker of the test runner that hangs is not left to exit by itself.
process.once("SIGTERM", () => process.exit(terminatedExitCode));

export class BuiltServer {
  url = "";
  /** Everything that all its processes have written, for a test that fails and for who looks for secrets in it. */
  stdout = "";
  stderr = "";
  readonly directory = mkdtempSync(join(tmpdir(), "runcast-e2e-"));
  private readonly options: BuiltServerOptions;
  private port = 0;
  private child: ChildProcess | undefined;

  private constructor(options: BuiltServerOptions) {
    this.options = options;
  }

  static async start(options: BuiltServerOptions = {}): Promise<BuiltServer> {
    if (!existsSync(mainFile)) throw new Error("there is no built server: run `npm run build` first");
    const server = new BuiltServer(options);
    server.port = options.port ?? (await stablePort());
    await server.spawn();
    return server;
  }

  /** What dev mode printed after this word, as in `demo token`. */
  banner(word: string): string {
    const found = new RegExp(`^\\s*${word}\\s+(\\S+)$`, "m").exec(this.stdout)?.[1];
    if (found === undefined) throw new Error(`the server printed no ${word}:\n${this.stdout}`);
    return found;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Ends the process without a warning, as the kernel does when memory is short. */
  async kill9(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** Starts it again on the same port and store. Answers how long it took until it listened. Units: ms. */
  async restart(): Promise<number> {
    const startMs = performance.now();
    await this.spawn();
    return performance.now() - startMs;
  }

  /** As an orchestrator does: SIGTERM, and wait. */
  async terminate(): Promise<Exit> {
    return this.end("SIGTERM");
  }

  /** The same with a signal of one's own. */
  async stop(signal: NodeJS.Signals): Promise<Exit> {
    return this.end(signal);
  }

  /** Sends a signal and waits for nothing. */
  signal(signal: NodeJS.Signals): void {
    if (this.child === undefined) throw new Error("the server does not run");
    this.child.kill(signal);
  }

  /** Until it has ended by itself. */
  async ended(): Promise<Pick<Exit, "code" | "signal">> {
    const { child } = this;
    if (child === undefined) throw new Error("the server does not run");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    this.child = undefined;
    return { code: child.exitCode, signal: child.signalCode };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child !== undefined) await this.end("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async spawn(): Promise<void> {
    const { args = [], env = {}, dev = false, openFiles } = this.options;
    const line = [process.execPath, mainFile, "serve", ...args];
    // The shell becomes the server: one process, one pid.
    const limited = ["/bin/sh", "-c", `ulimit -n ${openFiles} && exec "$0" "$@"`, ...line];
    const [program = "", ...given] = openFiles === undefined ? line : limited;
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("RUNCAST_"));
    const child = spawn(program, given, {
      cwd: this.directory,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...Object.fromEntries(own),
        NO_COLOR: "1",
        RUNCAST_PORT: String(this.port),
        RUNCAST_STORE: `sqlite:${join(this.directory, "runcast.db")}`,
        RUNCAST_SPOOL: `file:${join(this.directory, "spool")}`,
        ...(dev ? {} : { RUNCAST_JWT_SECRET: jwtSecret, RUNCAST_API_KEYS: apiKeySetting }),
        ...env,
      },
    });
    this.child = child;
    running.add(child);
    child.once("exit", () => running.delete(child));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
    const fail = (what: string) => reject(new Error(`the server ${what}\n${this.stdout}${this.stderr}`));
    const timer = setTimeout(() => fail(`did not listen within ${startTimeoutMs} ms`), startTimeoutMs);
    child.once("exit", (code) => fail(`ended with ${code} before it listened`));
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.stdout += `${line}\n`;
      const url = /^listening on (http:\/\/\S+)$/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
    try {
      this.url = await listening;
    } finally {
      clearTimeout(timer);
    }
    this.port = Number(new URL(this.url).port);
  }

  private async end(signal: NodeJS.Signals): Promise<Exit> {
    const { child } = this;
    if (child === undefined) throw new Error("the server does not run");
    this.child = undefined;
    const startMs = performance.now();
    const isOver = child.exitCode !== null || child.signalCode !== null;
    const exited = isOver ? undefined : once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), exitTimeoutMs);
    await exited;
    clearTimeout(timer);
    return { code: child.exitCode, signal: child.signalCode, ms: performance.now() - startMs };
  }
}

const tokenTtlSeconds = 3_600;

/** A user's token under the tests' secret. `claims` replace and add; undefined takes one away. */
export function userToken(
  userId: string,
  claims: Readonly<Record<string, unknown>> = {},
  secret = jwtSecret,
): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + tokenTtlSeconds;
  return new SignJWT({ sub: userId, exp, ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
}

export async function stablePort(): Promise<number> {
  const count = lastStablePort - firstStablePort;
  const first = Math.floor(Math.random() * count);
  for (let step = 0; step < count; step += 1) {
    const port = firstStablePort + ((first + step) % count);
    if (await isFree(port)) return port;
  }
  throw new Error("no port is free");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
