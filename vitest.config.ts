import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

const unitTimeoutMs = 20_000;
const propertyTimeoutMs = 90_000;
const endToEndTimeoutMs = 120_000;

/**
 * Node takes the types off a `.ts` file with WebAssembly, in each thread anew: the log's threads load their source so. The
 * JavaScript functions that it calls get compiled wrappers after 1,000 calls, in a cache of the whole process, and V8 13.6
 * now and then frees one twice when threads come and go: the process dies of SIGSEGV, or of `jit_page.has_value()`. With
 * this budget no wrapper is ever compiled. The built package has no types to take off, and no such threads.
 */
const noCompiledWrappers = "--wasm-wrapper-tiering-budget=1000000000";

// What has been compiled once, types taken off, is loaded as it is by every fork, thread and server that tests start.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules/.cache/compiled");

/**
 * Of the end-to-end files those that measure: how long a loop stalls, how long a person sees nothing or is not cut. Each
 * has the machine for itself. All others wait, for servers, browsers and deadlines, more than they work: they run three
 * at a time.
 */
const measuring = ["test/e2e/first-event.test.ts", "test/e2e/faults/{auth-doors,disk-shared,disk-sync}.test.ts"];
const besideWorkers = 3;

/**
 * Of the unit files those that start and end threads by the hundred, measure what a process holds, or put another clock into
 * it. All others share one process a worker, file after file: none may leave a timer, a listener or a changed global behind.
 */
const processOfTheirOwn = [
  "test/log/{sqlite*,bit-flips,epoch-mark,housekeeping-slices,kill-points,layer,power-cut,transfer}.test.ts",
  "test/console/run-book.test.ts",
  "test/gateway/soak.test.ts",
  "test/runtime/leaks.test.ts",
  "test/testing/test-runcast.test.ts",
];
/** A third worker has the cores while the others wait, for disks, servers and child processes. */
const unit = {
  testTimeout: unitTimeoutMs,
  hookTimeout: unitTimeoutMs,
  maxWorkers: 3,
  sequence: { groupOrder: 0 },
};
const endToEnd = { testTimeout: endToEndTimeoutMs, hookTimeout: endToEndTimeoutMs };

export default defineConfig({
  test: {
    environment: "node",
    execArgv: [noCompiledWrappers],
    // Two cores are what CI has; more workers only make deadlines late.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    reporters: process.env["CI"] ? ["default", "json"] : ["default"],
    outputFile: { json: "reports/vitest.json" },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.{ts,tsx}", "examples/**/*.test.ts"],
          exclude: ["test/e2e/**", ...processOfTheirOwn],
          // Starting a process and loading the sources for each file took longer than most files take.
          isolate: false,
          ...unit,
        },
      },
      {
        extends: true,
        test: { name: "unit-apart", include: processOfTheirOwn, ...unit },
      },
      {
        extends: true,
        test: {
          name: "properties",
          include: ["property-tests/**/*.test.ts"],
          testTimeout: propertyTimeoutMs,
          hookTimeout: unitTimeoutMs,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "e2e-beside",
          include: ["test/e2e/**/*.test.ts"],
          exclude: measuring,
          ...endToEnd,
          maxWorkers: besideWorkers,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: measuring,
          ...endToEnd,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
