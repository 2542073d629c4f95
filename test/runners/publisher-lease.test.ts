import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it } from "vitest";
import type { ManualClock } from "../../src/testing/manual-clock.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import type { RemoteWorld, RemoteWorldOptions } from "./support/remote-world.ts";
import { remoteWorld } from "./support/remote-world.ts";

const leaseMs = 30_000;
const graceMs = 5_000;

let world: RemoteWorld & { clock: ManualClock };
/** One clock for the server and its publisher: what passes for the one passes for the other. */
async function open(options: RemoteWorldOptions = {}): Promise<typeof world> {
  const clock = manualClock();
  const server = { clock, leaseMs, graceMs, ...options.server };
  world = { ...(await remoteWorld({ server, publisher: { clock, ...options.publisher } })), clock };
  return world;
}
afterEach(() => world.close());

/** Moves time on beat by beat: each heartbeat that is due is answered before time goes on. */
async function passes(ms: number, stepMs = 500): Promise<void> {
  const { clock, wire } = world;
  for (let at = 0; at < ms; at += stepMs) {
    const before = wire.sent.length;
    await clock.advance(stepMs);
    const sent = wire.of("/heartbeat").length;
    if (wire.sent.length > before) await wire.answered("/heartbeat", sent);
    await clock.advance(0);
  }
}

const beats = (): number => world.wire.of("/heartbeat").length;

describe("the lease of a remote run", () => {
  it("is renewed through three times its length of silence, and by nobody else (L16)", async () => {
    const { publisher, runcast } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs });
    await passes(3 * leaseMs);
    expect((await runcast.run(run.runId)).stalled).toBeFalsy();
    // A third of 30 s is more than a user with a finger on Stop should wait.
    expect(beats()).toBe((3 * leaseMs) / 5_000);
    expect(await run.completed()).toMatchObject({ seq: 2 });
  });

  it("is asked for when the run named none, and a short one is kept too", async () => {
    const { publisher, another, runcast } = await open({ server: { leaseMs: 1_000 } });
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    await passes(6_000, 100);
    expect(beats()).toBeGreaterThanOrEqual(16);
    const claimed = await another().claim(run.runId);
    await passes(6_000, 100);
    expect((await runcast.run(run.runId)).state).toBe("started");
    expect(await claimed.completed()).toMatchObject({ seq: 2 });
  });

  it("is learned from the server's answer when it is longer than we had to assume", async () => {
    const { publisher, runcast } = await open({ server: { clock: undefined, leaseMs } });
    const run = await publisher.startRun({ userId: "alice", agent: "a" });
    await passes(1_000, 100);
    expect(beats()).toBe(1);
    await passes(20_000);
    expect(beats()).toBeLessThanOrEqual(6);
    expect((await runcast.run(run.runId)).state).toBe("started");
  });

  it("needs no heartbeat while something is published", async () => {
    const { publisher, clock } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs });
    for (let n = 0; n < 60; n += 1) {
      await run.delta("m", "x");
      await clock.advance(2_000);
    }
    expect(beats()).toBe(0);
    await run.completed();
  });

  it("survives heartbeats that are cut: it beats again sooner", async () => {
    const { publisher, wire, runcast } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs: 3_000 });
    for (let n = 0; n < 10; n += 1) {
      wire.faults.push(n % 2 === 0 ? "cutBefore" : { status: 503 });
      await passes(2_000, 100);
    }
    expect((await runcast.run(run.runId)).stalled).toBeFalsy();
    expect(await run.completed()).toMatchObject({ seq: 2 });
  });

  it("is renewed by hand with heartbeat()", async () => {
    const { publisher, another } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs });
    await run.heartbeat();
    await another().claim(run.runId);
    await expect(run.heartbeat()).rejects.toMatchObject({ _tag: "Fenced" });
    expect(run.signal.aborted).toBe(true);
  });
});

describe("the signal of a remote run", () => {
  it("aborts within a heartbeat of the user's Stop, though the runner says nothing", async () => {
    const { publisher, runcast } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs });
    await runcast.cancel(run.runId, { reason: "enough" });
    expect(run.signal.aborted).toBe(false);
    await passes(5_000);
    expect(run.signal.aborted).toBe(true);
    expect(run.signal.reason).toMatchObject({ name: "AbortError", message: "the user asked the run to stop" });
    // It owes an end, or a refusal; until then it is alive.
    expect(await run.emit({ type: "cancel_refused", data: { reason: "nearly done" } })).toMatchObject({ seq: 3 });
    expect(await run.completed()).toMatchObject({ seq: 4 });
  });

  it("aborts when another publisher claims the run, and no beat follows (L14)", async () => {
    const { publisher, another } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs });
    const second = await another().claim(run.runId);
    await passes(5_000);
    expect(run.signal.reason).toMatchObject({ message: "another runner has taken the run over" });
    const before = world.wire.of("/heartbeat").filter(({ body }) => body["fence"] === 1).length;
    await passes(leaseMs);
    expect(world.wire.of("/heartbeat").filter(({ body }) => body["fence"] === 1)).toHaveLength(before);
    expect(before).toBe(1);
    expect(await second.completed()).toMatchObject({ seq: 2 });
    expect(second.signal.reason).toMatchObject({ message: "the run is completed" });
  });

  it("aborts when the run was ended by somebody else, with its state", async () => {
    const { publisher, runcast } = await open();
    const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs });
    await runcast.cancel(run.runId, { deadlineMs: 0 });
    await passes(5_000);
    await expect(run.thinking()).rejects.toMatchObject({ _tag: "RunEnded", state: "cancelled" });
    expect([run.state, run.signal.aborted]).toEqual(["cancelled", true]);
    const before = beats();
    await passes(leaseMs);
    expect(beats()).toBe(before);
  });
});

describe("a remote run that nobody holds", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;

  it("beats no more, so that the server finds out (L16), and its signal says why", async () => {
    const { publisher, runcast } = await open();
    const start = async () => {
      const run = await publisher.startRun({ userId: "alice", agent: "a", leaseMs });
      void run.delta("m", "last words");
      return { runId: run.runId, signal: run.signal };
    };
    const { runId, signal } = await start();
    await world.wire.answered("/events", 1);
    await passes(10_000);
    // A turn, so that nothing on the stack holds it.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    const before = beats();
    await passes(leaseMs + graceMs + 1_000);
    expect(beats()).toBe(before);
    expect(signal.reason).toMatchObject({ message: "nobody holds the run's handle any more" });
    expect(await runcast.run(runId)).toMatchObject({ state: "interrupted", seq: 3 });
  });
});
