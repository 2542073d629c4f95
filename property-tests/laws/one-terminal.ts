/** L2: one terminal per run, and nothing after it. */
import { expect } from "vitest";
import { heldRun } from "../support/history.ts";
import type { Law } from "../support/law.ts";

const terminals: ReadonlySet<string> = new Set([
  "agent_completed",
  "agent_failed",
  "agent_cancelled",
  "agent_interrupted",
]);

export const oneTerminal = (): Law => ({
  watch: (world) => ({
    judge: async () => {
      for (const { runId } of world.slots) {
        const types = (await heldRun(world, runId)).map(({ type }) => type);
        const first = types.findIndex((type) => terminals.has(type));
        expect(first === -1 ? [] : types.slice(first + 1), runId).toEqual([]);
      }
    },
  }),
});
