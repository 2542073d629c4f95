/** What must hold of nodes whose store dies, stands still, is cut off or fails over under load, whichever store it is. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Fleet, forMs } from "../../../support/fleet/fleet.ts";
import { FleetLoad } from "../../../support/fleet/fleet-load.ts";
import { judge } from "../../../support/fleet/fleet-oracle.ts";
import type { StoreKind } from "../../../support/fleet/fleet-store.ts";
import { until } from "../../../support/fleet/until.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const pausedMs = 3_000;
const downMs = 1_000;
const cuts = 3;
/** Bells are a hint: without them readers wait for the next poll of their node, and then get all. */
const bellessMs = 2_000;
/** On a machine with other work. */
const patienceMs = 240_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const kinds = ["library", "socket", "sse"] as const;

export function storeOn(kind: StoreKind): void {
  describe(`a ${kind} that two nodes share, under load (SEED=${seed})`, () => {
    const random = seededRandom(seed);
    let fleet: Fleet;
    let load: FleetLoad;
    beforeAll(async () => {
      fleet = await Fleet.start(kind, { nodes: 2, random });
    });
    afterEach(({ task }) => {
      load?.close();
      if (task.result?.state === "fail") console.error(fleet.said());
    });
    afterAll(() => fleet?.[Symbol.asyncDispose]());

    const underLoad = async (...userIds: readonly string[]): Promise<FleetLoad> => {
      load = new FleetLoad(fleet, { userIds, kinds, random });
      await load.more(60);
      return load;
    };
    const verdict = async () => {
      await load.more(60);
      await load.end();
      return judge(fleet, load);
    };

    it("loses nothing that was acknowledged when it is killed and started again", { timeout: patienceMs }, async () => {
      await underLoad("ada", "bea");
      await fleet.store.kill9();
      await forMs(downMs);
      await fleet.store.restart();
      await verdict();
      expect(load.publisher.repeats).toBeGreaterThan(0);
    });

    it(`may stand still for ${pausedMs} ms: what has no answer is settled by its keys`, {
      timeout: patienceMs,
    }, async () => {
      await underLoad("cy", "dan");
      await fleet.store.pause();
      await forMs(pausedMs);
      fleet.store.resume();
      expect(await verdict()).toMatchObject({ interrupted: 0 });
    });

    it("may cut every connection, again and again", { timeout: patienceMs }, async () => {
      await underLoad("eve", "fay");
      for (let cut = 0; cut < cuts; cut += 1) {
        expect(await fleet.store.cut()).toBeGreaterThan(0);
        await load.more(30);
      }
      await verdict();
    });

    it("may cut what carries the bells, or let it hang: readers on other nodes miss nothing", {
      timeout: patienceMs,
    }, async () => {
      await underLoad("gus", "hal");
      for (let cut = 0; cut < cuts; cut += 1) {
        await until("the nodes listen", async () => (await fleet.store.cutBells()) > 0);
        await load.more(20);
      }
      const relays = fleet.nodes.map(({ relay }) => relay);
      const ring = await until("they listen again", () => fleet.store.holdBells(relays).catch(() => undefined));
      await Promise.all([forMs(bellessMs), load.more(30)]);
      ring();
      expect(await verdict()).toMatchObject({ interrupted: 0 });
    });
  });

  describe(`a ${kind} that fails over to its replica, under load (SEED=${seed})`, () => {
    const random = seededRandom(seed);

    it("loses nothing where the replica confirms, and every device is told to begin anew", {
      timeout: patienceMs,
    }, async () => {
      await using fleet = await Fleet.start(kind, { nodes: 2, random, replica: "confirming" });
      const load = new FleetLoad(fleet, { userIds: ["ada", "bea"], kinds, random });
      try {
        await load.more(60);
        await fleet.store.failOver();
        await load.more(60);
        await load.end();
        await judge(fleet, load, { mayReset: true });
        expect(untold(load)).toEqual([]);
      } finally {
        load.close();
      }
    });

    it("says so to every device where the replica lacks what was acknowledged", { timeout: patienceMs }, async () => {
      await using fleet = await Fleet.start(kind, { nodes: 2, random, replica: "trailing" });
      const load = new FleetLoad(fleet, { userIds: ["cy", "dan"], kinds, random });
      try {
        await load.more(60);
        await fleet.store.partReplica();
        await load.more(60);
        await fleet.store.failOver();
        await load.more(60);
        await load.end();
        const { events } = await judge(fleet, load, { mayReset: true, hasLost: true });
        // Or the replica had everything, and nothing was put to the test.
        expect(events).toBeLessThan(load.count);
        expect(untold(load)).toEqual([]);
      } finally {
        load.close();
      }
    });
  });
}

/** Devices that were not told of the new history. */
const untold = ({ readers }: FleetLoad): readonly string[] =>
  readers.filter(({ told }) => !told.some(({ reason }) => reason === "epoch")).map(({ name }) => name);
