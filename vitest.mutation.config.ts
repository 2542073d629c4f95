/**
 * The tests that mutants must survive: those of one area, without servers, browsers and processes of their own, all in
 * one thread. `npm run mutation -- <area>` runs them.
 */
import { defineConfig } from "vitest/config";
import { areaNamed } from "./scripts/mutation/areas.ts";
import { joinThread, keepThread } from "./scripts/mutation/one-thread.ts";
import { QuickFirst } from "./scripts/mutation/quick-first.ts";

const area = areaNamed(process.env["MUTATION_AREA"]);

export default defineConfig({
  plugins: [joinThread, keepThread],
  test: {
    include: [...area.tests],
    setupFiles: ["test/support/mutant-switch.ts"],
    environment: "node",
    env: { LEAK_CYCLES: "60", FLIPS: "40" },
    isolate: false,
    maxWorkers: 1,
    sequence: { sequencer: QuickFirst },
    testTimeout: area.testTimeoutMs,
    hookTimeout: area.testTimeoutMs,
    reporters: [],
    disableConsoleIntercept: true,
  },
});
