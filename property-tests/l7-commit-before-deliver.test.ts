/** L7: no device ever saw an event that a restarted server does not have. Processes die here at every moment. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reading, settings } from "./support/commands.ts";
import { heldStream } from "./support/history.ts";
import { parameters } from "./support/parameters.ts";
import { World } from "./support/world.ts";

describe("L7 commit before deliver", () => {
  it("shows a device nothing but what the log holds, at the offset where it holds it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), settings(), reading, async (scheduler, set, happenings) => {
        const world = await new World(scheduler, set).begin();
        await fc.asyncModelRun(() => ({ model: {}, real: world }), happenings);
        world.restart();
        await world.quiesce();
        for (const { user, app } of world.devices) {
          const idAt = new Map((await heldStream(world, user)).map(({ offset, id }) => [offset, id]));
          for (const { offset, id } of app) expect(idAt.get(offset)).toBe(id);
        }
      }),
      parameters(500),
    );
  });
});
