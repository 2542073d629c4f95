/**
 * nginx and HAProxy as Debian has them, with the files that are shipped in `deploy/`: only ports, paths and, where a
 * test says so, timeouts are filled in. A process of the test's own in the foreground; ended by its pid.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stablePort } from "./built-server.ts";
import { eventually } from "./eventually.ts";

const deploy = fileURLToPath(new URL("../../deploy", import.meta.url));
const readableByAll = 0o755;

export type ProxyName = "nginx" | "haproxy";

export interface ProxyOptions {
  /** Where the nodes listen: one or two. */
  readonly nodes: readonly number[];
  /** Instead of the shipped 90 s. */
  readonly idleSeconds?: number;
}

/** Replaces every `from`; a file in which it does not stand is not the one that was meant. */
function filled(text: string, from: RegExp, to: string): string {
  if (!from.test(text)) throw new Error(`${from} does not stand in the shipped file`);
  return text.replaceAll(new RegExp(from, "g"), to);
}

/** The shipped nginx file, and around it what Debian's own nginx.conf would say. */
function nginxFiles(folder: string, port: number, { nodes, idleSeconds }: ProxyOptions): readonly string[] {
  let text = readFileSync(join(deploy, "nginx/runcast.conf"), "utf8");
  text = filled(text, /listen 80;/, `listen 127.0.0.1:${port};`);
  text = filled(text, /\/var\/log\/nginx\/runcast\.log/, join(folder, "access.log"));
  text = filled(text, /server 127\.0\.0\.1:7420 /, `server 127.0.0.1:${nodes[0]} `);
  text = filled(text, / {4}server 127\.0\.0\.1:7421 (.*)\n/, nodes[1] ? `    server 127.0.0.1:${nodes[1]} $1\n` : "");
  if (idleSeconds !== undefined) text = filled(text, /90s;/, `${idleSeconds}s;`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  const main = [
    "daemon off;",
    "worker_processes 2;",
    `pid ${join(folder, "nginx.pid")};`,
    "error_log stderr;",
    "events { worker_connections 1024; }",
    `http { ${temporary.join(" ")} include ${join(folder, "runcast.conf")}; }`,
  ];
  writeFileSync(join(folder, "runcast.conf"), text);
  writeFileSync(join(folder, "nginx.conf"), main.join("\n"));
  return ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")];
}

function haproxyFiles(folder: string, port: number, { nodes, idleSeconds }: ProxyOptions): readonly string[] {
  let text = readFileSync(join(deploy, "haproxy/haproxy.cfg"), "utf8");
  text = filled(text, /bind :80\n/, `bind 127.0.0.1:${port}\n`);
  text = filled(text, /127\.0\.0\.1:7420/, `127.0.0.1:${nodes[0]}`);
  text = filled(
    text,
    / {4}server node2 127\.0\.0\.1:7421\n/,
    nodes[1] ? `    server node2 127.0.0.1:${nodes[1]}\n` : "",
  );
  text = filled(text, /\/etc\/haproxy(?=\/runcast-unanswered)/, join(deploy, "haproxy"));
  if (idleSeconds !== undefined) text = filled(text, / 90s\n/, ` ${idleSeconds}s\n`);
  writeFileSync(join(folder, "haproxy.cfg"), text);
  return ["-db", "-f", join(folder, "haproxy.cfg")];
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGTERM");
});

export class RealProxy implements AsyncDisposable {
  readonly url: string;
  private readonly folder: string;
  private readonly child: ChildProcess;

  private constructor(url: string, folder: string, child: ChildProcess) {
    this.url = url;
    this.folder = folder;
    this.child = child;
  }

  static async start(name: ProxyName, options: ProxyOptions): Promise<RealProxy> {
    const folder = mkdtempSync(join(tmpdir(), `runcast-${name}-`));
    // Its workers are another user.
    chmodSync(folder, readableByAll);
    const port = await stablePort();
    const args = (name === "nginx" ? nginxFiles : haproxyFiles)(folder, port, options);
    const path = `${process.env["PATH"] ?? ""}:/usr/sbin`;
    const child = spawn(name, args, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, PATH: path } });
    running.add(child);
    child.once("exit", () => running.delete(child));
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    let failure: Error | undefined;
    child.once("error", (cause) => {
      failure = new Error(`${name} is not installed: apt-get install ${name === "nginx" ? "nginx-light" : name}`, {
        cause,
      });
    });
    const url = `http://127.0.0.1:${port}`;
    await eventually(async () => {
      if (failure !== undefined) return;
      if (child.exitCode !== null) failure = new Error(`${name} has ended:\n${said}`);
      else await fetch(`${url}/livez`);
    });
    if (failure !== undefined) throw failure;
    return new RealProxy(url, folder, child);
  }

  /** What nginx wrote about the calls that it carried. */
  accessLog(): string {
    return readFileSync(join(this.folder, "access.log"), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null) {
      const exited = once(this.child, "exit");
      this.child.kill("SIGTERM");
      await exited;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
