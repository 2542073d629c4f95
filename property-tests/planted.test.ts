/**
 * The simulation finds what it is there to find: bugs that are planted into the real code, one at a time, each in a
 * process of its own. `npm run planted` searches from the first seed on and prints the table of `docs/verification.md`.
 */
import { describe, expect, it } from "vitest";
import { plantedBugs } from "./planted/bugs.ts";
import { lookFor } from "./planted/hunt.ts";

/** From where a bug was last found: its world may have moved a little. */
const maxSeeds = 400;
const timeoutMs = 300_000;

describe("the simulation", () => {
  it("is tried by at least twenty bugs", () => {
    expect(new Set(plantedBugs.map(({ name }) => name)).size).toBeGreaterThanOrEqual(20);
  });

  it.concurrent.each(plantedBugs)(
    "finds $name: $says",
    async (bug) => {
      const { law, said } = await lookFor(bug, { from: bug.foundAt ?? 1, count: maxSeeds });
      expect(law, said).toBeDefined();
    },
    timeoutMs,
  );
});
