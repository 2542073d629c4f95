import { defineConfig } from "vitest/config";

const unitTimeoutMs = 20_000;
const propertyTimeoutMs = 90_000;
const endToEndTimeoutMs = 120_000;

export default defineConfig({
  test: {
    environment: "node",
    // Two cores are what CI has; more workers only make deadlines late.
    maxWorkers: 2,
    reporters: process.env["CI"] ? ["default", "json"] : ["default"],
    outputFile: { json: "reports/vitest.json" },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.{ts,tsx}", "examples/**/*.test.ts"],
          exclude: ["test/e2e/**"],
          testTimeout: unitTimeoutMs,
          hookTimeout: unitTimeoutMs,
          sequence: { groupOrder: 0 },
        },
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
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: endToEndTimeoutMs,
          hookTimeout: endToEndTimeoutMs,
          // Servers and a browser: one file at a time, after all the others.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
