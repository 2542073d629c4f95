/** L5: no double reaches the application, and nothing is lost to it: what the answers promised, once and in order. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reading, settings } from "./support/commands.ts";
import { heldStream } from "./support/history.ts";
import { marksOf } from "./support/model.ts";
import { parameters } from "./support/parameters.ts";
import { users, World } from "./support/world.ts";

const defaultRuns = 800;
/** From so many worlds on, a search that met no rare thing is a broken search. */
const enoughRuns = 500;

describe("L5 once", () => {
  it("brings every accepted event to every device exactly once, wherever it was cut", async () => {
    let cuts = 0;
    let resumes = 0;
    let restarts = 0;
    let worlds = 0;
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), settings(), reading, async (scheduler, set, happenings) => {
        const world = await new World(scheduler, set).begin();
        await fc.asyncModelRun(() => ({ model: {}, real: world }), happenings);
        await world.quiesce();
        for (const user of users) {
          const held = (await heldStream(world, user)).flatMap((event) => marksOf(event as never));
          expect(held, "the log holds what the answers promised, and nothing else").toEqual(world.model.marks(user));
        }
        for (const { user, hello, app, cuts: cut, resumes: resumed } of world.devices) {
          const types = hello.want?.types;
          const isWanted = (mark: string): boolean => types === undefined || types.includes(world.typeOf(mark));
          expect(app.flatMap(marksOf)).toEqual(world.model.marks(user).filter(isWanted));
          cuts += cut;
          resumes += resumed;
        }
        restarts += world.restarts;
        worlds += 1;
      }),
      parameters(defaultRuns),
    );
    // A search that never cut, resumed or restarted would have proven nothing.
    expect(Math.min(cuts, resumes, restarts) > 0 || worlds < enoughRuns).toBe(true);
  });
});
