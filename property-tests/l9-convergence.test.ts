/** L9: after faults heal every device folds to the same state: the one of a client that was never cut. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldRunView } from "../machines/run-view.ts";
import type { RunEvent } from "../protocol/event.ts";
import type { RunView } from "../protocol/run-view.ts";
import { reading, settings } from "./support/commands.ts";
import { heldStream } from "./support/history.ts";
import { parameters } from "./support/parameters.ts";
import { World } from "./support/world.ts";

/** The picture of every run that these events tell of. */
function folded(events: readonly unknown[]): Readonly<Record<string, RunView>> {
  const views: Record<string, RunView> = {};
  for (const event of events as readonly RunEvent[])
    if (event.runId !== undefined) views[event.runId] = foldRunView(views[event.runId], event);
  return views;
}

describe("L9 convergence", () => {
  it("gives every device the picture that the log gives, merged or not, cut or not", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), settings(), reading, async (scheduler, set, happenings) => {
        const world = await new World(scheduler, set).begin();
        await fc.asyncModelRun(() => ({ model: {}, real: world }), happenings);
        await world.quiesce();
        for (const { user, hello, app } of world.devices) {
          if (hello.want !== undefined) continue;
          expect(folded(app)).toEqual(folded(await heldStream(world, user)));
        }
      }),
      parameters(500),
    );
  });
});
