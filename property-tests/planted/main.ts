/**
 * `npm run planted [-- name …] [--seeds N]`: plants each bug and lets the simulation look for it. Prints a table: the bug,
 * the law that found it, how many worlds it took, and how long. Ends with 1 if one of them lives.
 */
import { parseArgs } from "node:util";
import type { PlantedBug } from "./bugs.ts";
import { plantedBugs } from "./bugs.ts";
import { lookFor } from "./hunt.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seeds: { type: "string" } } });
const maxSeeds = Number(values.seeds ?? 3_000);
const wanted = (bug: PlantedBug): boolean => positionals.length === 0 || positionals.includes(bug.name);

let alive = 0;
console.log("| planted bug | found by | worlds | seconds |\n|---|---|---|---|");
for (const bug of plantedBugs.filter(wanted)) {
  const { law, seed, seconds, said } = await lookFor(bug, { from: 1, count: maxSeeds });
  if (law === undefined) alive += 1;
  console.log(
    `| \`${bug.name}\`: ${bug.says} | ${law ?? "**nothing**"} | ${seed ?? `> ${maxSeeds}`} | ${seconds.toFixed(1)} |`,
  );
  if (positionals.length > 0) console.log(said);
}
process.exitCode = alive === 0 ? 0 : 1;
