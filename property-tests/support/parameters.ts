/** How long and from where a property searches: `FC_RUNS` and `FC_SEED`; a failure prints the seed that repeats it. */
import { env } from "node:process";
import type { Parameters } from "fast-check";

/** `defaultRuns` is what every check can afford: together the properties take two minutes of two cores. */
export function parameters<Values>(defaultRuns: number): Parameters<Values> {
  const runs = Number(env["FC_RUNS"] ?? defaultRuns);
  const seed = env["FC_SEED"];
  return {
    numRuns: runs,
    ...(seed !== undefined && { seed: Number(seed) }),
    // Shrinking a race takes long; what is found within this is small enough to read.
    interruptAfterTimeLimit: 80_000,
    markInterruptAsFailure: false,
  };
}
