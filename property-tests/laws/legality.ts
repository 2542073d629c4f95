/** L1: the log never holds a run whose events the machine would refuse. The judge is a table of the tests' own. */
import { expect } from "vitest";
import { heldRun } from "../support/history.ts";
import type { Law } from "../support/law.ts";
import type { RunMemory, Said } from "../support/legality.ts";
import { afterSaid, unborn } from "../support/legality.ts";

export const legality = (): Law => ({
  watch: (world, { profile }) => ({
    judge: async () => {
      for (const { runId } of world.slots) {
        let run: RunMemory | undefined = unborn(profile === "strict");
        for (const [index, event] of (await heldRun(world, runId)).entries()) {
          expect(event.seq).toBe(index + 1);
          run = afterSaid(run, event as Said);
          if (run === undefined) expect.fail(`${runId} holds an illegal ${event.type} at ${index + 1}`);
        }
      }
    },
  }),
});
