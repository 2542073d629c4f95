/** Retention by tier on the built server: what a token claimed holds for who is away, also after kill -9. */
import { describe, expect, it } from "vitest";
import { hello } from "../gateway/support/socket.ts";
import { BlackBox, done, type Started } from "../support/black-box.ts";
import { apiKeys, userToken } from "../support/built-server.ts";
import { eventually } from "../support/eventually.ts";

const tiers = {
  default: "free",
  users: { default: { erin: "early" } },
  tiers: { free: { retentionMs: 1_500 }, early: { retentionMs: 3_600_000 }, mid: { retentionMs: 3_600_000 } },
};

describe("retention by tier of the built server", () => {
  it("takes what the free have, and leaves who is in a longer tier by token or by rule, after kill -9 too", async () => {
    // Also longer than the server itself keeps events.
    await using box = await BlackBox.start({
      env: { RUNCAST_TIERS: JSON.stringify(tiers), RUNCAST_RETENTION_MS: "2000" },
    });
    const status = async ({ runId }: Started): Promise<number> =>
      (await box.call(`GET /v1/runs/${runId}`, { as: apiKeys.admin })).status;
    const isTaken = (run: Started): Promise<void> => eventually(async () => expect(await status(run)).toBe(404));
    const visit = async (claims: { tier?: string }): Promise<void> => {
      const socket = await hello(box.url, await userToken("carol", claims));
      await socket.nextOf("welcome");
      await socket.close();
    };
    const ended = async (userId: string): Promise<Started> => {
      const run = await box.start({ userId });
      await box.say(run, [done]);
      return run;
    };
    await visit({ tier: "mid" });
    const [carol, erin, alice] = [await ended("carol"), await ended("erin"), await ended("alice")];
    await isTaken(alice);
    expect([await status(carol), await status(erin)]).toEqual([200, 200]);

    await box.server.kill9();
    await box.server.restart();
    const bob = await ended("bob");
    await isTaken(bob);
    expect([await status(carol), await status(erin)]).toEqual([200, 200]);
    expect(
      (await box.call("GET /v1/events?after=0", { as: await userToken("carol", { tier: "mid" }) })).body,
    ).toMatchObject({ events: [{ offset: 1 }, { offset: 2 }] });
    // A token without the claim: the rule is all that is left, and there is none.
    await visit({});
    await isTaken(carol);
    expect(await status(erin)).toBe(200);
    expect((await box.call("GET /v1/ledger", { as: apiKeys.admin })).body).toMatchObject({ difference: 0 });
  });
});
