/** Starts a server under measurement in a process of its own, and ends that process only. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Control, Word } from "./control.ts";
import { openControl } from "./control.ts";
import type { Kind } from "./load.ts";

export interface ServerProcess {
  readonly port: number;
  readonly control: Control;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

export async function startServer(kind: Kind, args: readonly string[] = []): Promise<ServerProcess> {
  const file = fileURLToPath(new URL(`./${kind}-server.ts`, import.meta.url));
  // As `runcast serve` starts itself; the floor runs as anybody would start it.
  const bound = kind === "runcast" ? ["--max-semi-space-size=8"] : [];
  const flags = ["--expose-gc", "--disable-warning=ExperimentalWarning", ...bound];
  const child = spawn(process.execPath, [...flags, file, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const word = JSON.parse(line[0]) as Extract<Word, { said: "listening" }>;
  const control = await openControl(word.controlPort);
  return {
    port: word.port,
    control,
    process: child,
    stop: async () => {
      const exited = child.exitCode === null ? once(child, "exit") : undefined;
      control.order({ do: "exit" });
      await exited;
      control.close();
    },
  };
}
