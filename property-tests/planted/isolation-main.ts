/**
 * `isolation-main --seeds A..B`: lives the two worlds of each seed (L8) until one shows what must not show. Prints as the
 * simulation does, so that `hunt` can ask either.
 */
import { parseArgs } from "node:util";
import * as fc from "fast-check";
import { differenceOf, outcomeOf, scripts, told } from "../support/interference.ts";

const { values } = parseArgs({ options: { seeds: { type: "string" }, first: { type: "boolean" } } });
const [from = 1, upto = from] = (values.seeds ?? "1").split("..").map(Number);

for (let seed = from; seed <= upto; seed += 1) {
  const [script] = fc.sample(scripts, { seed, numRuns: 1 });
  if (script === undefined) throw new Error("no script");
  const difference = differenceOf((await outcomeOf(script)).traces);
  if (difference === undefined) continue;
  console.log(`VIOLATION L8 seed=${seed}\n${difference}\n${told(script)}`);
  process.exitCode = 1;
  break;
}
