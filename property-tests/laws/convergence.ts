/** L9: after faults heal every device folds to the same state: the one of a client that was never cut. */
import { expect } from "vitest";
import { foldRunView } from "../../machines/run-view.ts";
import type { RunEvent } from "../../protocol/event.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { heldStream } from "../support/history.ts";
import type { Law } from "../support/law.ts";

/** The picture of every run that these events tell of. */
function folded(events: readonly unknown[]): Readonly<Record<string, RunView>> {
  const views: Record<string, RunView> = {};
  for (const event of events as readonly RunEvent[])
    if (event.runId !== undefined) views[event.runId] = foldRunView(views[event.runId], event);
  return views;
}

export const convergence = (): Law => ({
  watch: (world) => ({
    judge: async () => {
      for (const { user, hello, app } of world.devices) {
        if (hello.want !== undefined) continue;
        expect(folded(app)).toEqual(folded(await heldStream(world, user)));
      }
    },
  }),
});
