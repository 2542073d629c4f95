/**
 * Whole worlds under faults: the real runtime, machines and clients on one seeded clock. Each world ends with the laws
 * held against what its disk really has. `npm run sim` looks longer; see docs/verification/simulation.md.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { drawScript } from "./simulation/draw-script.ts";
import { knownScripts } from "./simulation/known-seeds.ts";
import { knownSeveral } from "./simulation/known-several.ts";
import { scripts } from "./simulation/script-arbitrary.ts";
import { Search } from "./simulation/search.ts";
import { simulate } from "./simulation/simulate.ts";
import { parameters } from "./support/parameters.ts";

/** What a fixed block of worlds reaches for sure; the rarest states need a longer search. */
const blockOfSeeds = 20;
/** Worlds of several servers take twice as long. */
const blockOfSeveral = 8;
const reachedStates = 20;
const seedsToRepeat = [
  [2, false],
  [5, true],
] as const;

const firstOf = ({ violations }: Awaited<ReturnType<typeof simulate>>) =>
  violations[0] && `${violations[0].law}: ${violations[0].what}`;

describe("a simulated world", () => {
  it("keeps every law in a block of seeds, and sees rare things on its way", async () => {
    const search = new Search(true);
    for (let seed = 1; seed <= blockOfSeeds; seed += 1) {
      const result = await simulate(drawScript(seed));
      expect(firstOf(result), `npm run sim -- --seed ${seed}`).toBeUndefined();
      search.add(result);
    }
    for (let seed = 1; seed <= blockOfSeveral; seed += 1) {
      const result = await simulate(drawScript(seed, true));
      expect(firstOf(result), `npm run sim -- --seed ${seed} --several`).toBeUndefined();
      search.add(result);
    }
    expect(search.sometimes.reached.size).toBeGreaterThanOrEqual(reachedStates);
  });

  it.each([...knownScripts, ...knownSeveral])("breaks no more: %s", async (_, script) => {
    expect(firstOf(await simulate(script))).toBeUndefined();
  });

  it("goes the same way for the same seed, in this process and in another (I20)", async () => {
    const main = fileURLToPath(new URL("simulation/main.ts", import.meta.url));
    for (const [seed, isSeveral] of seedsToRepeat) {
      const { hash } = await simulate(drawScript(seed, isSeveral));
      expect((await simulate(drawScript(seed, isSeveral))).hash).toBe(hash);
      const args = [main, "--seed", String(seed), ...(isSeveral ? ["--several"] : [])];
      expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toContain(`trace ${hash}`);
    }
  });

  it("goes another way for another seed", async () => {
    const { hash } = await simulate(drawScript(2));
    expect((await simulate(drawScript(3))).hash).not.toBe(hash);
  });

  it("keeps every law in whatever fast-check thinks of", async () => {
    await fc.assert(
      fc.asyncProperty(scripts, async (script) => {
        expect(firstOf(await simulate(script))).toBeUndefined();
      }),
      parameters(30),
    );
  });
});
