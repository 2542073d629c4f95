import type { AnyActorRef } from "xstate";
import { describe, expect, it } from "vitest";
import { completed, delta, executed, executing, failed, note } from "../support/events.ts";
import { runtimeUnderTest } from "../support/runtime-under-test.ts";
import type { RuntimeUnderTest } from "../support/runtime-under-test.ts";

/** Few are enough to notice a leak, many to notice one of a few bytes. */
const cycles = Number(process.env["LEAK_CYCLES"] ?? 2_000);

/** Every actor that lives, as an inspector sees them come and go. */
function livingActors({ parts }: RuntimeUnderTest) {
  const seen = new Set<AnyActorRef>();
  const subscription = parts.supervisor.root.system.inspect((event) => {
    if (event.type === "@xstate.actor") seen.add(event.actorRef as AnyActorRef);
  });
  return {
    count: () =>
      [...seen].filter((actor) => actor.getSnapshot().status === "active" && actor !== parts.supervisor.root).length,
    seen: () => seen.size,
    stop: () => subscription.unsubscribe(),
  };
}

describe("the registries", () => {
  it(`are empty again after ${cycles} runs`, async () => {
    const world = await runtimeUnderTest();
    const actors = livingActors(world);
    const { start, publish, parts, settle } = world;
    for (let cycle = 0; cycle < cycles; cycle += 1) {
      const { runId } = await start();
      if (cycle % 3 === 0) await publish(runId, 1, [executing("c"), executed("c"), executed("c")]).catch(() => {});
      await publish(runId, 1, [delta("x"), cycle % 2 === 0 ? completed : failed]);
    }
    await settle();
    expect(parts.service.stats()).toMatchObject({ livingRuns: 0, connections: 0, streams: 0 });
    expect([...parts.runs.all()]).toEqual([]);
    expect(actors.seen()).toBeGreaterThanOrEqual(cycles);
    expect(actors.count()).toBe(0);
    expect(Object.keys(parts.supervisor.root.getSnapshot().children)).toEqual([]);
    actors.stop();
  });

  it(`are empty again after ${cycles} connections, however each ended`, async () => {
    const world = await runtimeUnderTest({ maxConnectionsPerUser: 3 });
    const actors = livingActors(world);
    const { start, publish, open, parts, settle, clock } = world;
    const { runId } = await start({ leaseMs: 3_600_000 });
    for (let cycle = 0; cycle < cycles; cycle += 1) {
      const tab = await open();
      if (cycle % 7 !== 0) tab.say({ type: "hello", token: cycle % 5 === 0 ? "bad" : "alice" });
      if (cycle % 50 === 0) {
        await publish(runId, 1, [note()]);
        await settle();
      }
      if (cycle % 3 === 0) tab.connection.closed();
      else if (cycle % 3 === 1) tab.connection.malformed({ path: "", message: "is not JSON" });
    }
    await settle();
    expect(parts.service.stats().connections).toBeLessThanOrEqual(cycles / 3);
    // Those without a hello are sent home by their deadline, and three of alice's keep their places.
    await clock.advance(6_000);
    expect(parts.service.stats().connections).toBe(3);
    await world.call(parts.service.drain);
    expect(parts.service.stats()).toMatchObject({ connections: 0, streams: 0, livingRuns: 1 });
    await publish(runId, 1, [completed]);
    await settle();
    expect(actors.count()).toBe(0);
    expect(Object.keys(parts.supervisor.root.getSnapshot().children)).toEqual([]);
    actors.stop();
  });
});
