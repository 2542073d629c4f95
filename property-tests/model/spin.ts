/** Spin as a child process: walks through all states of `stream.pml`, or takes one random walk. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("./stream.pml", import.meta.url));
/** Longer than any walk; the search says so if it is not. */
const maxDepth = 500_000;
/** Of the table of states: for a million of them. */
const hashBits = 20;
const maxWalkSteps = 100_000;

export interface Search {
  readonly states: number;
  /** The assertion that failed, as Spin prints it; undefined: none did, in any state. */
  readonly violated: string | undefined;
}

function run(folder: string, command: string, ...args: readonly string[]): string {
  const done = spawnSync(command, args, { cwd: folder, encoding: "utf8", maxBuffer: 2 ** 28 });
  if (done.error !== undefined) {
    const install = "apt-get install -y spin gcc libc6-dev";
    throw new Error(`${command} cannot be run (${done.error.message}): ${install}`);
  }
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

function inFolder<Answer>(work: (folder: string) => Answer): Answer {
  const folder = mkdtempSync(join(tmpdir(), "runcast-spin-"));
  try {
    copyFileSync(source, join(folder, "stream.pml"));
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Every state that the model can reach. `switches`: as in `EVENTS=4` or the name of a planted bug; `isLarge`: searching takes
 * longer than compiling.
 */
export function search(switches: readonly string[] = [], isLarge = false): Search {
  return inFolder((folder) => {
    run(folder, "spin", "-a", ...switches.map((each) => `-D${each}`), "stream.pml");
    run(folder, "gcc", "-w", isLarge ? "-Og" : "-O0", "-DSAFETY", "-DNOFAIR", "-o", "pan", "pan.c");
    const said = run(folder, join(folder, "pan"), `-m${maxDepth}`, `-w${hashBits}`);
    if (said.includes("max search depth too small")) throw new Error("the search was cut short");
    const states = Number(/(\d+) states, stored/.exec(said)?.[1]);
    const errors = Number(/errors: (\d+)/.exec(said)?.[1]);
    const violated = /pan:\d+: (.*) \(at depth/.exec(said)?.[1];
    return { states, violated: errors === 0 ? undefined : (violated ?? "an error without a name") };
  });
}

/** One random walk, step by step: the words after `step`. */
export function walk(seed: number, switches: readonly string[] = []): readonly (readonly string[])[] {
  const args = [`-n${seed}`, "-T", `-u${maxWalkSteps}`, ...switches.map((each) => `-D${each}`), "stream.pml"];
  return inFolder((folder) => run(folder, "spin", ...args))
    .split("\n")
    .filter((line) => line.startsWith("step "))
    .map((line) => line.trim().split(" ").slice(1));
}
