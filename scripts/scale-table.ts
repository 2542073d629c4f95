/**
 * Writes what the cost model says into docs/scale.md, between its marks: the constants as they were measured, and what
 * follows from them; `--check` only says whether the page is stale. Nobody keeps these tables by hand.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Measured } from "../bench/scale/costs.ts";
import { measured } from "../bench/scale/measured.ts";
import { assumptionTable, costTable, memoryTable, predictionTable, simulationTable } from "../bench/scale/tables.ts";

const page = new URL("../docs/scale.md", import.meta.url);

/** What stands between the marks of each part. */
const parts: Readonly<Record<string, (measured: Measured) => string>> = {
  costs: (known) => [known.about, "", costTable(known), "", memoryTable(known)].join("\n"),
  assumptions: assumptionTable,
  predictions: predictionTable,
  simulation: simulationTable,
};

/** The page as it should be. */
export function freshScalePage(text: string): string {
  const known = measured();
  return Object.entries(parts).reduce((fresh, [name, write]) => {
    const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end of generated: ${name} -->`];
    const [from, to] = [fresh.indexOf(begin), fresh.indexOf(end)];
    if (from === -1 || to === -1) throw new Error(`docs/scale.md has lost the marks of ${name}`);
    return `${fresh.slice(0, from + begin.length)}\n\n${write(known)}\n\n${fresh.slice(to)}`;
  }, text);
}

if (import.meta.main) {
  const text = readFileSync(page, "utf8");
  const fresh = freshScalePage(text);
  if (fresh === text) console.log("docs/scale.md is up to date");
  else if (process.argv.includes("--check")) {
    console.error("docs/scale.md is stale: run `node scripts/scale-table.ts`");
    process.exitCode = 1;
  } else {
    writeFileSync(page, fresh);
    console.log("docs/scale.md written");
  }
}
