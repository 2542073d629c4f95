/**
 * L10: no silent end. Each accepted event is in exactly one of acked, stored and dead-lettered, at every moment and over
 * every restart; and the ledger says what an auditor finds who counts the log and asks the devices.
 */
import { expect } from "vitest";
import { asTenantId, asUserId, streamKey } from "../../protocol/ids.ts";
import { heldCount } from "../support/history.ts";
import type { Law } from "../support/law.ts";
import { users } from "../support/world.ts";

/** Longer than cursors wait to be written together. */
const saveMs = 1_000;
const tenant = asTenantId("default");

export function noSilentEnd(): Law {
  let inBetween = 0;
  return {
    watch: (world) => {
      const ackedBefore = new Map<string, number>();
      const audit = async (user: string) => {
        const ledger = await world.truth.ledger(streamKey(tenant, asUserId(user)));
        expect(ledger.accepted, `${user} was promised`).toBe(await heldCount(world, user));
        expect(ledger.acked + ledger.stored + ledger.deadLettered, `${user} has`).toBe(ledger.accepted);
        expect(ledger.acked, "what was read stays read").toBeGreaterThanOrEqual(ackedBefore.get(user) ?? 0);
        ackedBefore.set(user, ledger.acked);
        return ledger;
      };
      return {
        look: async () => {
          for (const user of users) {
            const { acked, stored } = await audit(user);
            if (acked > 0 && stored > 0) inBetween += 1;
          }
        },
        judge: async () => {
          // The last acks are written down with the next save of cursors.
          await world.pass(saveMs);
          for (const user of users) {
            const { accepted, acked, deadLettered } = await audit(user);
            const isFollowed = world.devices.some((device) => device.user === user);
            expect(acked, `${user} has read`).toBe(isFollowed ? accepted : 0);
            expect(deadLettered).toBe(0);
          }
        },
      };
    },
    proves: () => expect(inBetween, "nothing was ever under way: the search proves nothing").toBeGreaterThan(0),
  };
}
