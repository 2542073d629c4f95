/**
 * `npm run soak -- [--cycles N] [--seed S]`: connections and runs that come and go, and what each of them leaves behind.
 * Fails when the heap grows with them, or when anything that should have ended still lives.
 */
import { parseArgs } from "node:util";
import { soak } from "../test/support/soak.ts";

/** An actor that is not stopped costs 4 KB. */
const maxBytesPerCycle = 64;

const sampleCount = 24;

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "20000" },
    seed: { type: "string", default: String(Date.now() % 1e6) },
  },
});
const [cycles, seed] = [Number(values.cycles), Number(values.seed)];
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const figures = await soak({ cycles, seed, samples: sampleCount, say });
const { bytesPerCycle, actorsLeft, actorsSeen, connectionsLeft, runsLeft, streamsLeft } = figures;
say(
  [
    `soak: ${cycles} cycles, seed ${seed}: ${bytesPerCycle.toFixed(1)} bytes of heap each,`,
    `${actorsLeft} of ${actorsSeen} actors left, ${connectionsLeft} connections, ${runsLeft} runs, ${streamsLeft} streams`,
  ].join(" "),
);
const isClean = actorsLeft === 0 && connectionsLeft === 0 && runsLeft === 0 && streamsLeft === 0;
if (!isClean || bytesPerCycle > maxBytesPerCycle) process.exitCode = 1;
