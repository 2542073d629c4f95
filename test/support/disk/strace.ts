/** Programs under strace: what they asked of the kernel, and faults that the kernel is made to answer with. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";

/** Fails, with the way to get it, where strace is not installed: a fault that cannot be injected is not survived. */
export function requireStrace(): void {
  if (spawnSync("strace", ["-V"], { stdio: "ignore" }).error === undefined) return;
  throw new Error("strace is not installed: apt-get install strace");
}

export interface Straced {
  /** Names of system calls that are recorded or tampered with. */
  readonly trace: readonly string[];
  /** As in `fsync:error=EIO:when=3`. Counted per thread. */
  readonly inject?: string | undefined;
  /** Where the record goes; nowhere when there is none. */
  readonly output?: string | undefined;
  readonly command: readonly string[];
}

/** The arguments of strace for this. */
export function straceArguments({ trace, inject, output = "/dev/null", command }: Straced): string[] {
  // The filter that lets only these calls stop the program loses count of those that are tampered with.
  const tamper = inject === undefined ? ["--seccomp-bpf"] : ["-e", `inject=${inject}`];
  // All of every string, in hex.
  const record = ["-f", "-v", "-xx", "-s", "100000000", "-e", `trace=${trace.join(",")}`];
  return [...record, ...tamper, "-o", output, "--", ...command];
}

export function straced(options: Straced): ChildProcess {
  requireStrace();
  return spawn("strace", straceArguments(options), { stdio: ["ignore", "pipe", "inherit"] });
}
