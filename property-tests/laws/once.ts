/** L5: no double reaches the application, and nothing is lost to it: what the answers promised, once and in order. */
import { expect } from "vitest";
import { heldStream } from "../support/history.ts";
import type { Law } from "../support/law.ts";
import { marksOf } from "../support/model.ts";
import { users } from "../support/world.ts";

/** From so many worlds on, a search that met no rare thing is a broken search. */
const enoughWorlds = 500;

export function once(): Law {
  let cuts = 0;
  let resumes = 0;
  let restarts = 0;
  return {
    watch: (world) => ({
      judge: async () => {
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
      },
    }),
    // A search that never cut, resumed or restarted would have proven nothing.
    proves: (worlds) => expect(Math.min(cuts, resumes, restarts) > 0 || worlds < enoughWorlds).toBe(true),
  };
}
