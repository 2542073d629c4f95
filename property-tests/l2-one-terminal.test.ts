/** L2: one terminal per run, nothing after it; and once everything has settled, no run is without one for ever. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settings, writing } from "./support/commands.ts";
import { heldRun } from "./support/history.ts";
import type { RunMemory, Said } from "./support/legality.ts";
import { afterSaid, unborn } from "./support/legality.ts";
import { parameters } from "./support/parameters.ts";
import { World } from "./support/world.ts";

const terminals: ReadonlySet<string> = new Set([
  "agent_completed",
  "agent_failed",
  "agent_cancelled",
  "agent_interrupted",
]);
/** Longer than any lease, grace period and cancellation of these worlds, one behind the other. */
const longMs = 200_000;

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

  it("ends each run that nobody waits for in the end, whatever died (L16)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), settings(), writing, async (scheduler, set, happenings) => {
        const world = await new World(scheduler, set).begin();
        await fc.asyncModelRun(() => ({ model: {}, real: world }), happenings);
        await world.quiesce();
        await world.pass(longMs);
        for (const { runId } of world.slots) {
          const events = await heldRun(world, runId);
          const run = events.reduce(
            (at: RunMemory, event) => afterSaid(at, event as Said) ?? at,
            unborn(set.profile === "strict"),
          );
          const lastWords = events.findLast(({ type }) => type === "agent_suspended" || type === "approval_resolved");
          const isAsked = lastWords?.type === "agent_suspended" || Object.values(run.asked).includes(true);
          const waits = run.at === "suspended" && isAsked;
          expect(waits ? ["suspended"] : ["idle", "over"], `${runId} is left`).toContain(run.at);
        }
      }),
      parameters(120),
    );
  });
});
