/**
 * `reading-main --seeds A..B`: lives a world of `reading` for each seed, whose log answers when it likes, until one breaks
 * L4: a device that does not come to the head, or finds a hole on its way. Prints as the simulation does, for `hunt`.
 */
import { parseArgs } from "node:util";
import * as fc from "fast-check";
import { dense } from "../laws/dense.ts";
import { reading, settings } from "../support/commands.ts";
import { World } from "../support/world.ts";

const { values } = parseArgs({ options: { seeds: { type: "string" }, first: { type: "boolean" } } });
const [from = 1, upto = from] = (values.seeds ?? "1").split("..").map(Number);

const property = fc.asyncProperty(fc.scheduler(), settings(), reading, async (scheduler, set, happenings) => {
  const world = await new World(scheduler, set).begin();
  for (const happening of happenings) await happening.run({}, world);
  await world.quiesce();
  await dense().watch(world, set).judge?.();
});

for (let seed = from; seed <= upto; seed += 1) {
  const { failed, errorInstance } = await fc.check(property, { seed, numRuns: 1, endOnFailure: true });
  if (!failed) continue;
  console.log(`VIOLATION L4 seed=${seed} ${errorInstance instanceof Error ? errorInstance.message : ""}`);
  process.exitCode = 1;
  break;
}
