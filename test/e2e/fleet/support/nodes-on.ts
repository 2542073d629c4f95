/** What must hold of three nodes on one store, whichever it is, when they die, stand still and are restarted under load. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ask, say, startRun, word, wordsOf } from "../../../support/fleet/calls.ts";
import { Fleet, forMs } from "../../../support/fleet/fleet.ts";
import { FleetLoad } from "../../../support/fleet/fleet-load.ts";
import { judge } from "../../../support/fleet/fleet-oracle.ts";
import type { StoreKind } from "../../../support/fleet/fleet-store.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

/** Restarts of one node after the other, on each store. `ROLLS=20` for the figures of the verification page. */
const rolls = Number(process.env["ROLLS"] ?? 10);
/** Shorter than the lease of a load's runs: they go on elsewhere. */
const pauseMs = 2_500;
const exitLimitMs = 10_000;
/** For a write to leave its node. */
const onTheWayMs = 300;
const fenced = { status: 409, body: { error: { code: "fenced" } } };
/** On a machine with other work. */
const patienceMs = 240_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const kinds = ["library", "socket", "sse"] as const;

export function nodesOn(kind: StoreKind): void {
  describe(`three nodes on one ${kind} (SEED=${seed})`, () => {
    const random = seededRandom(seed);
    let fleet: Fleet;
    let load: FleetLoad;
    beforeAll(async () => {
      fleet = await Fleet.start(kind, { nodes: 3, random });
    });
    afterEach(({ task }) => {
      load?.close();
      if (task.result?.state === "fail") console.error(fleet.said());
    });
    afterAll(() => fleet?.[Symbol.asyncDispose]());

    const underLoad = (...userIds: readonly string[]): FleetLoad => {
      load = new FleetLoad(fleet, { userIds, kinds, random });
      return load;
    };
    const verdict = async () => {
      await load.end();
      return judge(fleet, load);
    };

    it("bring everything to every device, once and in order, whichever node takes a call", {
      timeout: patienceMs,
    }, async () => {
      await underLoad("ada", "bea").more(250);
      expect(await verdict()).toMatchObject({ interrupted: 0 });
    });

    it("go on when any of them is killed under load", { timeout: patienceMs }, async () => {
      underLoad("cy", "dan");
      for (const node of fleet.nodes) {
        await load.more(40);
        await fleet.kill9(node);
        await load.more(60);
        await fleet.startAgain(node);
      }
      expect(await verdict()).toMatchObject({ interrupted: 0 });
    });

    it("go on while any of them stands still, and it goes on with the rest", { timeout: patienceMs }, async () => {
      underLoad("eve", "fay");
      for (const node of fleet.nodes) {
        await load.more(40);
        fleet.pause(node);
        await Promise.all([forMs(pauseMs), load.more(40)]);
        fleet.resume(node);
      }
      await load.more(40);
      expect(await verdict()).toMatchObject({ interrupted: 0 });
    });

    it("refuse what a node writes that stood still while its run was claimed elsewhere", {
      timeout: patienceMs,
    }, async () => {
      underLoad("gus");
      const [zombie, other] = [fleet.node(0), fleet.node(1)];
      const run = await startRun(zombie, { userId: "zoe" });
      await load.more(20);
      fleet.pause(zombie);
      const late = say(zombie, run, word("of the zombie"));
      await load.more(20);
      const claimed = await ask(other, `POST /v1/runs/${run.runId}/claim`, {});
      expect(claimed.status).toBe(200);
      const next = { ...run, fence: claimed.body.fence };
      expect((await say(other, next, word("of the next"))).status).toBe(200);
      fleet.resume(zombie);
      expect(await late).toMatchObject(fenced);
      for (const node of fleet.nodes) {
        expect(await say(node, run, word("again"))).toMatchObject(fenced);
        expect(await say(node, next, word(node.name))).toMatchObject({ status: 200 });
      }
      expect(await wordsOf(zombie, run)).toEqual(["of the next", ...fleet.nodes.map(({ name }) => name)]);
      await verdict();
    });

    it("refuse a write that was on its way to the store when its run was claimed elsewhere", {
      timeout: patienceMs,
    }, async () => {
      const [slow, other] = [fleet.node(1), fleet.node(2)];
      const run = await startRun(slow, { userId: "yan" });
      expect((await say(slow, run, word("first"))).status).toBe(200);
      const links = [...slow.relay.links];
      for (const link of links) link.hold("up");
      const late = say(slow, run, word("late"));
      await forMs(onTheWayMs);
      const claimed = await ask(other, `POST /v1/runs/${run.runId}/claim`, {});
      expect((await say(other, { ...run, fence: claimed.body.fence }, word("second"))).status).toBe(200);
      for (const link of links) link.release("up");
      // Refused, or no answer came in time; written it never is.
      expect([409, 503]).toContain((await late).status);
      expect(await say(slow, run, word("late"))).toMatchObject(fenced);
      expect(await wordsOf(slow, run)).toEqual(["first", "second"]);
    });

    it(`lose and double nothing when they are restarted ${rolls} times, one after the other`, {
      timeout: patienceMs,
    }, async () => {
      underLoad("hal", "ida");
      for (let roll = 0; roll < rolls; roll += 1) {
        await load.more(10);
        const { code, ms } = await fleet.roll(fleet.node(roll % fleet.nodes.length));
        expect(code).toBe(0);
        expect(ms).toBeLessThan(exitLimitMs);
      }
      const { events, moves, interrupted } = await verdict();
      expect(interrupted).toBe(0);
      console.info(`${kind}: ${rolls} restarts, ${events} events, lost 0, doubled 0, devices moved ${moves} times`);
    });
  });
}
