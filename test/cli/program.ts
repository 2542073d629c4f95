/** The built command line as a child process: what it says line by line, and how it ends. Nothing waits on a clock. */
import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

export interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** The first line of stdout that matches, now or later; rejects when the program ends without one. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** The same of stderr. */
  errorLine(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Ending>;
}

/** Starts `runcast …args` in `cwd`, with no setting of ours in its environment but those in `env`. */
export function program(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  if (!existsSync(main)) throw new Error("the command line is not built: npm run build");
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(RUNCAST_|NO_COLOR|FORCE_COLOR|NODE_OPTIONS)/.test(name),
  );
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  const looks = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (part: string) => {
      text[name] += part;
      for (const look of looks) look();
    });
  }
  const { promise: ended, resolve: end } = Promise.withResolvers<Ending>();
  child.on("close", (code) => {
    end({ code, ...text });
    for (const look of looks) look();
  });

  function seen(name: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const found = text[name]
        .split("\n")
        .slice(0, -1)
        .map((line) => pattern.exec(line))
        .find((match) => match !== null);
      if (found !== undefined) resolve(found);
      else if (child.exitCode !== null && child.stdout.destroyed && child.stderr.destroyed)
        reject(new Error(`no ${pattern} on ${name}; it ended with ${child.exitCode}:\n${text.stdout}\n${text.stderr}`));
      else return;
      looks.delete(look);
    };
    looks.add(look);
    look();
    return promise;
  }

  return { child, ended, line: (pattern) => seen("stdout", pattern), errorLine: (pattern) => seen("stderr", pattern) };
}
