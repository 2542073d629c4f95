/**
 * `npm run sim`: looks for a world that breaks a law.
 *
 *   --seed N             one world, twice: its script, its hash, what it breaks; the shortest script that still does
 *   --seeds A..B         many; with --seconds S for at most so long, with --first up to the first violation
 *   --several            with --seed or --seeds: worlds of one to three servers at a time over a store that they share
 *   --script file.json   one world from its script
 *   --trace              with --seed or --script: every step
 *
 * Ends with 0 when every law held, 1 when one broke (a line `VIOLATION <law> seed=<n> …`), 2 when asked wrongly.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { drawScript } from "./draw-script.ts";
import type { Script } from "./script.ts";
import { Search } from "./search.ts";
import { shrink } from "./shrink.ts";
import type { Result } from "./simulate.ts";
import { simulate } from "./simulate.ts";

/** Of all seeds' worth: below this a rare state may be missed by chance. */
const enoughWorlds = 2_000;

const usage =
  "usage: npm run sim -- --seed N | --seeds A..B [--seconds S] [--first] | --script file.json [--several] [--trace]";

function violationLine({ script, violations }: Result): string {
  const [first] = violations;
  return `VIOLATION ${first?.law} seed=${script.seed} at=${Math.round(first?.atMs ?? 0)}ms ${first?.what}`;
}

async function one(script: Script, keepsTrace: boolean): Promise<number> {
  const result = await simulate(script, keepsTrace);
  const again = await simulate(script);
  for (const line of result.world.trace.lines) console.log(line);
  console.log(`faults ${JSON.stringify(script.faults)}`);
  console.log(
    `${result.world.time.steps} steps in ${Math.round(result.world.time.nowMs)} virtual ms, trace ${result.hash}`,
  );
  if (again.hash !== result.hash) {
    console.log(`VIOLATION I20 seed=${script.seed} the same script went another way: ${again.hash}`);
    return 1;
  }
  for (const { law, what, atMs } of result.violations) console.log(`${law} at ${Math.round(atMs)} ms: ${what}`);
  if (result.violations.length === 0) return 0;
  console.log(violationLine(result));
  if (!keepsTrace) await handOn(result);
  return 1;
}

/** The shortest script that breaks the same law, as a file. */
async function handOn(result: Result): Promise<void> {
  const shortest = await shrink(result);
  const path = join(tmpdir(), `runcast-sim-${result.script.seed}.json`);
  writeFileSync(path, JSON.stringify(shortest.script, undefined, 1));
  console.log(`shortest: ${JSON.stringify(shortest.script)}`);
  console.log(`${violationLine(shortest)}\nnpm run sim -- --script ${path}`);
}

interface ManyTerms {
  readonly range: string;
  readonly seconds: number;
  readonly onlyFirst: boolean;
  readonly isSeveral: boolean;
}

async function many({ range, seconds, onlyFirst, isSeveral }: ManyTerms): Promise<number> {
  const [from, upto] = range.split("..").map(Number);
  if (from === undefined || upto === undefined || !(upto >= from)) return misused();
  const search = new Search(isSeveral);
  const beganMs = performance.now();
  for (let seed = from; seed <= upto && performance.now() - beganMs < seconds * 1_000; seed += 1) {
    const result = await simulate(drawScript(seed, isSeveral));
    search.add(result);
    if (result.violations.length === 0) continue;
    console.log(violationLine(result));
    if (onlyFirst) break;
  }
  for (const line of search.report((performance.now() - beganMs) / 1_000)) console.log(line);
  if (search.failedSeeds.length > 0) return 1;
  if (search.worlds < enoughWorlds || search.never.length === 0) return 0;
  for (const state of search.never) console.log(`VIOLATION sometimes seed=${from} never: ${state}`);
  return 1;
}

function misused(): number {
  console.error(usage);
  return 2;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      seconds: { type: "string" },
      script: { type: "string" },
      first: { type: "boolean" },
      several: { type: "boolean" },
      trace: { type: "boolean" },
    },
  });
  const { seed, seeds, seconds, script, first: onlyFirst = false, several = false, trace = false } = values;
  if (seed !== undefined && Number.isSafeInteger(Number(seed))) return one(drawScript(Number(seed), several), trace);
  if (script !== undefined) return one(JSON.parse(readFileSync(script, "utf8")) as Script, trace);
  if (seeds !== undefined) {
    const terms = { range: seeds, seconds: Number(seconds ?? Number.POSITIVE_INFINITY), onlyFirst };
    return many({ ...terms, isSeveral: several });
  }
  return misused();
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = misused();
}
