/** An example as its reader runs it: `node examples/<name>/main.ts`, on a port and in a directory of its own. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { mainFile, stablePort } from "./built-server.ts";

const examples = fileURLToPath(new URL("../../examples", import.meta.url));
const exitTimeoutMs = 30_000;

export class Example {
  readonly port: number;
  /** What it printed so far. */
  readonly lines: string[] = [];
  private stderr = "";
  private readonly directory = mkdtempSync(join(tmpdir(), "runcast-example-"));
  private readonly child: ChildProcess;
  private wake = (): void => {};

  private constructor(name: string, port: number, env: Readonly<Record<string, string>>) {
    this.port = port;
    const own = Object.entries(process.env).filter(([variable]) => !variable.startsWith("RUNCAST_"));
    this.child = spawn(process.execPath, [join(examples, name, "main.ts")], {
      cwd: this.directory,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...Object.fromEntries(own), NO_COLOR: "1", PORT: String(port), ...env },
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      this.lines.push(line);
      this.wake();
    });
    this.child.once("exit", () => this.wake());
  }

  static async start(name: string, env: Readonly<Record<string, string>> = {}): Promise<Example> {
    if (!existsSync(mainFile)) throw new Error("examples import the built package: run `npm run build` first");
    return new Example(name, await stablePort(), env);
  }

  /** Runs an example that ends by itself. Gives the lines it printed; rejects when it failed. */
  static async run(name: string, env?: Readonly<Record<string, string>>): Promise<readonly string[]> {
    await using example = await Example.start(name, env);
    const [code] = await once(example.child, "close", { signal: AbortSignal.timeout(exitTimeoutMs) });
    if (code !== 0) throw new Error(`${name} ended with ${code}:\n${example.lines.join("\n")}\n${example.stderr}`);
    return example.lines;
  }

  /** The first line that begins like this. */
  async printed(start: string): Promise<string> {
    for (;;) {
      const line = this.lines.find((each) => each.startsWith(start));
      if (line !== undefined) return line;
      if (this.child.exitCode !== null) throw new Error(`it ended without "${start}":\n${this.stderr}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
