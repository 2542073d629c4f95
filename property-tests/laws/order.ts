/** L3: every device sees each stream in offset order, and an offset is the same event for all of them for ever. */
import { expect } from "vitest";
import type { Law } from "../support/law.ts";

export const order = (): Law => ({
  watch: (world) => ({
    judge: () => {
      const idAt = new Map<string, string>();
      for (const { user, app } of world.devices) {
        for (const [index, event] of app.entries()) {
          expect(event.offset).toBeGreaterThan(app[index - 1]?.offset ?? 0);
          const place = `${user} ${event.offset}`;
          expect(idAt.get(place) ?? event.id, place).toBe(event.id);
          idAt.set(place, event.id);
        }
      }
    },
  }),
});
