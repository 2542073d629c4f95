/** L3: every device sees each stream in offset order, and an offset is the same event for all of them for ever. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reading, settings } from "./support/commands.ts";
import { parameters } from "./support/parameters.ts";
import { World } from "./support/world.ts";

describe("L3 order", () => {
  it("is kept for every device, however it comes and goes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), settings(), reading, async (scheduler, set, happenings) => {
        const world = await new World(scheduler, set).begin();
        await fc.asyncModelRun(() => ({ model: {}, real: world }), happenings);
        await world.quiesce();
        const idAt = new Map<string, string>();
        for (const { user, app } of world.devices) {
          for (const [index, event] of app.entries()) {
            expect(event.offset).toBeGreaterThan(app[index - 1]?.offset ?? 0);
            const place = `${user} ${event.offset}`;
            expect(idAt.get(place) ?? event.id, place).toBe(event.id);
            idAt.set(place, event.id);
          }
        }
      }),
      parameters(800),
    );
  });
});
