/** How long a server may take from its signal to its end, as `serve` itself holds to it. */
import { readFileSync } from "node:fs";

const msPerSecond = 1_000;
const source = (file: string): string => readFileSync(new URL(`../../../src/${file}`, import.meta.url), "utf8");

function msIn(file: string, name: string): number {
  const found = new RegExp(`const ${name} = ([\\d_]+);`).exec(source(file))?.[1];
  if (found === undefined) throw new Error(`${file} has no ${name}`);
  return Number(found.replaceAll("_", ""));
}

/** The longest of one process and of one with workers, and the moment that the doors still stand. */
export const drainSeconds = Math.ceil(
  Math.max(
    msIn("cli/serve.ts", "drainLimitMs") + msIn("server.ts", "lingerMs"),
    msIn("cli/workers/crew.ts", "drainLimitMs"),
  ) / msPerSecond,
);
