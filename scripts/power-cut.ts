/**
 * `npm run power-cut -- --images 2000 --seed 1`: the power cuts of test/log/power-cut.test.ts, as many as one likes. Ends
 * with 1 when a store did not open or broke its word.
 */
import { parseArgs } from "node:util";
import { cutPower, recordScript } from "../test/support/disk/power-cut-run.ts";
import { seededRandom } from "../test/support/seeded-random.ts";

const { values } = parseArgs({
  options: {
    images: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    rounds: { type: "string", default: "6" },
    durability: { type: "string", default: "fsync" },
  },
});
const durability = values.durability === "os" ? "os" : "fsync";
const ops = recordScript(durability, Number(values.rounds));
const { failures, ...figures } = cutPower(ops, Number(values.images), seededRandom(Number(values.seed)));
process.stdout.write(
  `${JSON.stringify({ durability, seed: Number(values.seed), failed: failures.length, ...figures })}\n`,
);
for (const failure of failures.slice(0, 20)) process.stdout.write(`${failure}\n`);
if (failures.length > 0) process.exitCode = 1;
