/** L4: no hole without a declared gap. Every frame says the range it covers; ranges meet, and nothing wanted is missing. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reading, settings } from "./support/commands.ts";
import { heldStream } from "./support/history.ts";
import { marksOf } from "./support/model.ts";
import { parameters } from "./support/parameters.ts";
import { World } from "./support/world.ts";

describe("L4 dense", () => {
  it("covers the stream range by range, each with all that it should hold", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), settings(), reading, async (scheduler, set, happenings) => {
        const world = await new World(scheduler, set).begin();
        await fc.asyncModelRun(() => ({ model: {}, real: world }), happenings);
        await world.quiesce();
        for (const { user, hello, holes, frames } of world.devices) {
          expect(holes).toEqual([]);
          const stream = await heldStream(world, user);
          const types = hello.want?.types;
          for (const { after, upto, events } of frames) {
            const due = stream.slice(after, upto).filter(({ type }) => types === undefined || types.includes(type));
            expect(events.flatMap(marksOf)).toEqual(due.flatMap((event) => marksOf(event as never)));
            if (hello.mergeDeltas === false)
              expect(events.map(({ offset }) => offset)).toEqual(due.map(({ offset }) => offset));
            // A merged delta bears the last offset it covers.
            const lastOffset = new Map(
              due.flatMap((each) => marksOf(each as never).map((mark) => [mark, each.offset])),
            );
            for (const event of events) {
              const mark = marksOf(event).at(-1);
              if (mark !== undefined) expect(event.offset).toBe(lastOffset.get(mark));
            }
          }
          expect(frames.at(-1)?.upto ?? 0, `${user} has come to the head`).toBe(stream.length);
        }
      }),
      parameters(800),
    );
  });
});
