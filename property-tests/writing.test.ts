/** The laws of what is written, each asked of every world. What each law says stands in `laws/`. */
import { describe, expect, it } from "vitest";
import { legality } from "./laws/legality.ts";
import { oneTerminal } from "./laws/one-terminal.ts";
import { writing } from "./support/commands.ts";
import { SharedSearch } from "./support/shared-search.ts";

const worlds = 600;
const laws = new SharedSearch(writing, { legality, oneTerminal }, worlds);

describe("L1 legality", () => {
  it("holds for every run in the log, whatever was said, raced, lost and restarted", async () => {
    await expect(laws.holds("legality")).resolves.toBeUndefined();
  });
});

describe("L2 one terminal", () => {
  it("ends each run at most once, with nothing behind it", async () => {
    await expect(laws.holds("oneTerminal")).resolves.toBeUndefined();
  });
});
