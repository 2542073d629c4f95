/** Lets the simulation, worlds of `reading`, or the two worlds of L8 look for one planted bug, in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { env, execPath } from "node:process";
import { fileURLToPath } from "node:url";
import type { PlantedBug } from "./bugs.ts";

const plant = new URL("./plant.ts", import.meta.url).href;
const simulation = fileURLToPath(new URL("../simulation/main.ts", import.meta.url));
const programs = {
  simulation,
  several: simulation,
  reading: fileURLToPath(new URL("./reading-main.ts", import.meta.url)),
  isolation: fileURLToPath(new URL("./isolation-main.ts", import.meta.url)),
};

export interface Seeds {
  readonly from: number;
  readonly count: number;
}

export interface Hunt {
  /** That was broken, as in `L5`; undefined: the bug lives. */
  readonly law: string | undefined;
  /** Of the world that broke. */
  readonly seed: number | undefined;
  readonly seconds: number;
  readonly said: string;
}

/** A bug may make the world go round in circles; then it counts as not found. */
const maxSeconds = 120;

/** Fails: when the bug could not be planted. */
export async function lookFor({ name, seenBy = "simulation" }: PlantedBug, { from, count }: Seeds): Promise<Hunt> {
  const beganMs = performance.now();
  const args = [
    "--disable-warning=ExperimentalWarning",
    "--import",
    plant,
    programs[seenBy],
    "--seeds",
    `${from}..${from + count - 1}`,
    "--first",
    ...(seenBy === "several" ? ["--several"] : []),
  ];
  const child = spawn(execPath, args, { env: { ...env, PLANTED_BUG: name }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  const timer = setTimeout(() => child.kill("SIGKILL"), maxSeconds * 1_000);
  await once(child, "close");
  clearTimeout(timer);
  const [, law, seed] = /^VIOLATION (\S+) seed=(\d+)/m.exec(said) ?? [];
  if (law === undefined && child.signalCode === null && child.exitCode !== 0)
    throw new Error(`${name}: ended with ${child.exitCode}\n${said}`);
  const seconds = (performance.now() - beganMs) / 1_000;
  return { law, seed: seed === undefined ? undefined : Number(seed), seconds, said };
}
