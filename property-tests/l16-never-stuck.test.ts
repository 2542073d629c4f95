/**
 * L16: never stuck. Each run has its terminal at most lease + grace + sweep after its runner died; only one that waits
 * for a human may go on waiting.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settings, writing } from "./support/commands.ts";
import { heldRun } from "./support/history.ts";
import type { RunMemory, Said } from "./support/legality.ts";
import { afterSaid, unborn } from "./support/legality.ts";
import { parameters } from "./support/parameters.ts";
import { graceMs, World } from "./support/world.ts";

/** From the end of one look through the store to the next, and what a log that was silent may add. */
const sweepMs = 32_000;
/** Of a cancellation that says nothing of it. */
const cancelMs = 10_000;

/** Whether a human owes the last word, by the run's own events. */
function waitsForHuman(events: readonly Said[], strict: boolean): boolean {
  let run: RunMemory = unborn(strict);
  let isAsked = false;
  for (const said of events) {
    run = afterSaid(run, said) ?? run;
    const isOpen = Object.values(run.asked).includes(true);
    const asks = (said.data["approvals"] ?? []) as readonly unknown[];
    if (said.type === "agent_suspended") isAsked = isOpen || asks.length === 0;
    if (said.type === "approval_resolved") isAsked = isOpen;
  }
  return run.at === "suspended" && isAsked;
}

const stateAfter = (events: readonly Said[], strict: boolean): RunMemory["at"] =>
  events.reduce((run: RunMemory, said) => afterSaid(run, said) ?? run, unborn(strict)).at;

describe("L16 never stuck", () => {
  it("ends each run that nobody waits for, at most lease + grace + sweep after its runner died", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), settings(), writing, async (scheduler, set, happenings) => {
        const world = await new World(scheduler, set).begin();
        await fc.asyncModelRun(() => ({ model: {}, real: world }), happenings);
        await world.quiesce();
        await world.pass(set.leaseMs + graceMs + sweepMs + cancelMs);
        for (const { runId } of world.slots) {
          const events = (await heldRun(world, runId)) as readonly Said[];
          const strict = set.profile === "strict";
          const left = waitsForHuman(events, strict) ? ["suspended"] : ["idle", "over"];
          expect(left, `${runId} is left`).toContain(stateAfter(events, strict));
        }
      }),
      parameters(120),
    );
  });
});
