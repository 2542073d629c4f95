/** L2: one terminal per run, and nothing after it. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settings, writing } from "./support/commands.ts";
import { heldRun } from "./support/history.ts";
import { parameters } from "./support/parameters.ts";
import { World } from "./support/world.ts";

const terminals: ReadonlySet<string> = new Set([
  "agent_completed",
  "agent_failed",
  "agent_cancelled",
  "agent_interrupted",
]);

describe("L2 one terminal", () => {
  it("ends each run at most once, with nothing behind it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), settings(), writing, async (scheduler, set, happenings) => {
        const world = await new World(scheduler, set).begin();
        await fc.asyncModelRun(() => ({ model: {}, real: world }), happenings);
        await world.quiesce();
        for (const { runId } of world.slots) {
          const types = (await heldRun(world, runId)).map(({ type }) => type);
          const first = types.findIndex((type) => terminals.has(type));
          expect(first === -1 ? [] : types.slice(first + 1), runId).toEqual([]);
        }
      }),
      parameters(600),
    );
  });
});
