/** L4: no hole without a declared gap. Every frame says the range it covers; ranges meet, and nothing wanted is missing. */
import { expect } from "vitest";
import { heldStream } from "../support/history.ts";
import type { Law } from "../support/law.ts";
import { marksOf } from "../support/model.ts";

export const dense = (): Law => ({
  watch: (world) => ({
    judge: async () => {
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
          const lastOffset = new Map(due.flatMap((each) => marksOf(each as never).map((mark) => [mark, each.offset])));
          for (const event of events) {
            const mark = marksOf(event).at(-1);
            if (mark !== undefined) expect(event.offset).toBe(lastOffset.get(mark));
          }
        }
        expect(frames.at(-1)?.upto ?? 0, `${user} has come to the head`).toBe(stream.length);
      }
    },
  }),
});
