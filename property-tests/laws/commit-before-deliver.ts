/** L7: no device ever saw an event that a restarted server does not have. Processes die here at every moment. */
import { expect } from "vitest";
import { heldStream } from "../support/history.ts";
import type { Law } from "../support/law.ts";

export const commitBeforeDeliver = (): Law => ({
  watch: (world) => ({
    judge: async () => {
      for (const { user, app } of world.devices) {
        const idAt = new Map((await heldStream(world, user)).map(({ offset, id }) => [offset, id]));
        for (const { offset, id } of app) expect(idAt.get(offset)).toBe(id);
      }
    },
  }),
});
