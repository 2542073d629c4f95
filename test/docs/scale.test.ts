import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { StoreCosts } from "../../bench/scale/costs.ts";
import { activities } from "../../bench/scale/costs.ts";
import { population, predict, predictOn, ratesOf } from "../../bench/scale/model.ts";
import { play } from "../../bench/scale/simulation.ts";
import { freshScalePage } from "../../scripts/scale-table.ts";
import { root } from "./page.ts";

const nothing = { nodeMicros: 0, storeMicros: 0, storeOperations: 0, storeBytes: 0, clientBytes: 0 };
/** Every activity costs the node 100 µs and the store 10 µs. */
const costs: StoreCosts = {
  label: "a store",
  uses: Object.fromEntries(
    activities.map((activity) => [activity, { ...nothing, nodeMicros: 100, storeMicros: 10 }]),
  ) as unknown as StoreCosts["uses"],
  memory: { nodeMib: 64, connectionKib: 16, runKib: 8 },
  storedBytesPerEvent: 500,
};
/** Numbers that one can reckon with by hand. */
const people = {
  ...population,
  users: 86_400,
  onlineShare: 0.5,
  connectionsPerUser: 1,
  runsPerUserPerDay: 1,
  peakFactor: 10,
  eventsPerRun: 20,
  secondsPerRun: 30,
  watchedShare: 1,
  reconnectsPerConnectionHour: 3_600 / 43_200,
  missedEvents: 5,
  heartbeatSeconds: 10,
};

describe("the cost model", () => {
  it("says what its page says", () => {
    const page = readFileSync(join(root, "docs/scale.md"), "utf8");
    expect(freshScalePage(page), "run `node scripts/scale-table.ts`").toBe(page);
  });

  it("counts how often each thing happens, by the formulas of the page", () => {
    expect(ratesOf(people, 2)).toEqual({
      connect: 1,
      heartbeat: 4_320,
      follow: 43_200,
      run: 10,
      append: 200,
      deliver: 200,
      carry: 100,
      replay: 5,
      lease: 300,
      sweep: 300,
      node: 2,
    });
  });

  it("multiplies by what one of it costs", () => {
    const found = predictOn(people, costs, 2);
    const happened = Object.values(ratesOf(people, 2)).reduce((sum, rate) => sum + rate, 0);
    expect(found.nodeCores).toBeCloseTo((happened * 100) / 1e6, 9);
    expect(found.storeCores).toBeCloseTo((happened * 10) / 1e6, 9);
    expect(found.memoryGib).toBeCloseTo(128 / 1_024 + (43_200 * 16 + 300 * 8) / 1_048_576, 9);
    expect(found.storedGib).toBeCloseTo((86_400 * 20 * 7 * 500) / 2 ** 30, 9);
  });

  it("takes as many nodes as their planned share of cores and memory needs, and two at least", () => {
    expect(predict(people, costs).nodes).toBe(5);
    expect(predict({ ...people, users: 100 }, costs).nodes).toBe(2);
    const { nodes, nodeCores } = predict(people, costs);
    expect(nodes * people.coresPerNode * people.plannedShare).toBeGreaterThanOrEqual(nodeCores);
  });

  it("makes cells where more nodes would cost more than they bring", () => {
    const found = predict({ ...people, users: 86_400_000 }, costs);
    expect(found.cells).toBeGreaterThan(1);
    expect(found.nodes / found.cells).toBeLessThanOrEqual(64);
    expect(found.connections).toBeCloseTo(43_200_000, 3);
  });

  it("agrees with its simulation on the mean, whatever the seed", () => {
    const said = predictOn(people, costs, 4);
    for (const seed of [1, 2, 3]) {
      const played = play(people, costs, { nodes: 4, seconds: 1_200, seed });
      expect(Math.abs(played.nodeCores / said.nodeCores - 1)).toBeLessThan(0.02);
      expect(Math.abs(played.storeCores / said.storeCores - 1)).toBeLessThan(0.02);
      expect(Math.abs(played.livingRuns / said.livingRuns - 1)).toBeLessThan(0.1);
    }
  });

  it("plays the same seed the same, and a dead node as its connections that come back", () => {
    const terms = { nodes: 4, seconds: 300, seed: 7 };
    const storm = { atSecond: 100, overSeconds: 5 };
    const calm = play(people, costs, terms);
    const stormy = play(people, costs, { ...terms, storm });
    expect(play(people, costs, { ...terms, storm })).toEqual(stormy);
    // A quarter of 43,200 over five seconds.
    expect(stormy.peakConnectsPerSecond).toBeGreaterThan(1_900);
    expect(stormy.peakNodeCores).toBeGreaterThan(calm.peakNodeCores);
    expect(stormy.connections).toBeGreaterThan(43_000);
  });
});
