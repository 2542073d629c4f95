/**
 * L10: no silent end. Each accepted event is in exactly one of acked, stored and dead-lettered, at every moment and over
 * every restart; and the ledger says what an auditor finds who counts the log and asks the devices.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asTenantId, asUserId, streamKey } from "../protocol/ids.ts";
import { reading, settings } from "./support/commands.ts";
import { heldStream } from "./support/history.ts";
import { parameters } from "./support/parameters.ts";
import { users, World } from "./support/world.ts";

/** Longer than cursors wait to be written together. */
const saveMs = 1_000;
const tenant = asTenantId("default");

describe("L10 no silent end", () => {
  it("balances the ledger at every step, and ends with what the devices took", async () => {
    let inBetween = 0;
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), settings(), reading, async (scheduler, set, happenings) => {
        const world = await new World(scheduler, set).begin();
        const ackedBefore = new Map<string, number>();
        const audit = async (user: string) => {
          const held = await heldStream(world, user);
          const ledger = await world.truth.ledger(streamKey(tenant, asUserId(user)));
          expect(ledger.accepted, `${user} was promised`).toBe(held.length);
          expect(ledger.acked + ledger.stored + ledger.deadLettered, `${user} has`).toBe(ledger.accepted);
          expect(ledger.acked, "what was read stays read").toBeGreaterThanOrEqual(ackedBefore.get(user) ?? 0);
          ackedBefore.set(user, ledger.acked);
          return ledger;
        };
        for (const happening of happenings) {
          await happening.run({}, world);
          for (const user of users) {
            const { acked, stored } = await audit(user);
            if (acked > 0 && stored > 0) inBetween += 1;
          }
        }
        await world.quiesce();
        // The last acks are written down with the next save of cursors.
        await world.pass(saveMs);
        for (const user of users) {
          const { accepted, acked, deadLettered } = await audit(user);
          const isFollowed = world.devices.some((device) => device.user === user);
          expect(acked, `${user} has read`).toBe(isFollowed ? accepted : 0);
          expect(deadLettered).toBe(0);
        }
      }),
      parameters(300),
    );
    expect(inBetween, "nothing was ever under way: the search proves nothing").toBeGreaterThan(0);
  });
});
