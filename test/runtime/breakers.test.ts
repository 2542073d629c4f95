import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { createRuncast } from "../../src/make-runcast.ts";
import { Breakers, CircuitOpen } from "../../src/runtime/breakers.ts";
import type { BreakersTerms } from "../../src/runtime/breakers.ts";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { Supervisor } from "../../src/runtime/supervisor.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { RecordingTransport, runtimeUnderTest, userOf } from "../support/runtime-under-test.ts";

const tickMs = 50;
const openMs = 30_000;

function panel(terms: Partial<BreakersTerms> = {}) {
  const clock = manualClock();
  const turns: string[] = [];
  const breakers = new Breakers({
    supervisor: new Supervisor(),
    deadlines: new Deadlines(clock, (cause) => expect.unreachable(String(cause))),
    clock,
    onTurn: ({ name, state }, before) => turns.push(`${name}: ${before} → ${state}`),
    ...terms,
  });
  return { clock, breakers, turns };
}
const broken = () => Promise.reject(new Error("ECONNREFUSED"));
const fine = () => Promise.resolve("fine");
const fails = async (breaker: ReturnType<Breakers["of"]>, count: number): Promise<void> => {
  for (let call = 0; call < count; call += 1) await expect(breaker.run(broken)).rejects.toThrow("ECONNREFUSED");
};

describe("a breaker", () => {
  it("opens at the fifth failure in a row, and then makes no call", async () => {
    const { breakers, turns } = panel();
    const log = breakers.of("log");
    await fails(log, 4);
    await log.run(fine);
    await fails(log, 5);
    expect(turns).toEqual(["log: closed → open"]);
    let calls = 0;
    const refused = await log.run(async () => (calls += 1)).catch((cause: unknown) => cause);
    expect(refused).toBeInstanceOf(CircuitOpen);
    expect(refused).toMatchObject({ breaker: "log", retryAfterMs: openMs });
    expect([calls, log.lets, log.enter()]).toEqual([0, false, undefined]);
  });

  it("lets its two probes through after 30 s, no third, and closes when both succeed", async () => {
    const { breakers, clock, turns } = panel();
    const log = breakers.of("log");
    await fails(log, 5);
    await clock.advance(openMs - 1);
    expect(log.view).toMatchObject({ state: "open", retryAfterMs: 1 });
    await clock.advance(tickMs);
    const probes = [log.enter(), log.enter()];
    expect([log.state, log.lets, log.enter()]).toEqual(["halfOpen", false, undefined]);
    for (const probe of probes) probe?.succeeded();
    expect(log.state).toBe("closed");
    expect(turns).toEqual(["log: closed → open", "log: open → halfOpen", "log: halfOpen → closed"]);
  });

  it("opens anew when a probe fails, for the whole time again", async () => {
    const { breakers, clock } = panel();
    const log = breakers.of("log");
    await fails(log, 5);
    await clock.advance(openMs + tickMs);
    await fails(log, 1);
    expect(log.view).toMatchObject({ state: "open", openedCount: 2, retryAfterMs: openMs });
  });

  it("takes an error that speaks against the call for an answer", async () => {
    const { breakers } = panel();
    const log = breakers.of("log");
    await fails(log, 4);
    await expect(log.run(broken, () => false)).rejects.toThrow("ECONNREFUSED");
    expect(log.view).toMatchObject({ state: "closed", failures: 0 });
  });

  it("counts a failure when its judge throws, and leaves no probe under way", async () => {
    const { breakers, clock } = panel({ settingsOf: () => ({ maxFailures: 1, probeCount: 1 }) });
    const log = breakers.of("log");
    await fails(log, 1);
    await clock.advance(openMs + tickMs);
    const judge = (): boolean => {
      throw new Error("a bug in the judge");
    };
    await expect(log.run(broken, judge)).rejects.toThrow("a bug in the judge");
    expect(log.state).toBe("open");
  });

  it("hears the first word of a call and no other", async () => {
    const { breakers, clock } = panel({ settingsOf: () => ({ maxFailures: 2, probeCount: 2 }) });
    const log = breakers.of("log");
    const call = log.enter();
    for (let word = 0; word < 3; word += 1) call?.failed();
    expect(log.view.failures).toBe(1);
    log.enter()?.failed();
    await clock.advance(openMs + tickMs);
    const probe = log.enter();
    probe?.succeeded();
    probe?.succeeded();
    probe?.dropped();
    probe?.failed();
    expect(log.state).toBe("halfOpen");
  });

  it("gives the place of a probe that was dropped to the next call, and counts nothing for a dropped call", async () => {
    const { breakers, clock } = panel({ settingsOf: () => ({ maxFailures: 1, probeCount: 1 }) });
    const log = breakers.of("log");
    log.enter()?.dropped();
    expect(log.view).toMatchObject({ state: "closed", failures: 0 });
    log.enter()?.failed();
    await clock.advance(openMs + tickMs);
    const dropped = log.enter();
    expect(log.lets).toBe(false);
    dropped?.dropped();
    log.enter()?.succeeded();
    expect(log.state).toBe("closed");
  });

  it("ignores what calls say that were under way when it turned", async () => {
    const { breakers, clock } = panel({ settingsOf: () => ({ maxFailures: 1, probeCount: 1 }) });
    const log = breakers.of("log");
    const [early, earlier] = [log.enter(), log.enter()];
    early?.failed();
    await clock.advance(openMs + tickMs);
    const probe = log.enter();
    earlier?.failed();
    expect(log.state).toBe("halfOpen");
    probe?.succeeded();
    expect(log.state).toBe("closed");
  });

  it("is closed by hand, and its old deadline does not move it any more", async () => {
    const { breakers, clock, turns } = panel();
    const log = breakers.of("log");
    await fails(log, 5);
    await clock.advance(openMs / 2);
    log.reset();
    expect(log.view).toMatchObject({ state: "closed", health: 100, failures: 0, openedCount: 1 });
    await fails(log, 5);
    await clock.advance(openMs - 1);
    expect(log.state).toBe("open");
    await clock.advance(tickMs);
    expect(turns.at(-1)).toBe("log: open → halfOpen");
  });

  it("is timed by what has passed, whatever the wall clock says", async () => {
    const { breakers, clock } = panel();
    const log = breakers.of("log");
    const since = clock.now();
    expect(log.view.changedAtMs).toBe(since);
    await fails(log, 5);
    clock.jump(openMs * 10);
    expect(log.view).toMatchObject({ state: "open", retryAfterMs: 0, changedAtMs: since });
    await clock.advance(0);
    expect(log.view).toMatchObject({ state: "halfOpen", changedAtMs: clock.now() });
    expect(log.view).not.toHaveProperty("retryAfterMs");
  });

  it("derives its health from where it stands", async () => {
    const { breakers, clock } = panel();
    const log = breakers.of("log");
    const healths = [log.health];
    await fails(log, 4);
    healths.push(log.health);
    await fails(log, 1);
    healths.push(log.health);
    await clock.advance(openMs + tickMs);
    healths.push(log.health);
    expect(healths).toEqual([100, 60, 0, 17]);
  });
});

describe("breakers", () => {
  it("are one for each name, with the settings of that name", async () => {
    const { breakers } = panel({
      settingsOf: (name) => (name === "email" ? { maxFailures: 1, openMs: 60_000 } : undefined),
    });
    expect(breakers.of("email")).toBe(breakers.of("email"));
    expect([breakers.find("email")?.name, breakers.find("log")]).toEqual(["email", undefined]);
    await fails(breakers.of("email"), 1);
    await fails(breakers.of("log"), 1);
    expect(breakers.views()).toMatchObject([
      { name: "email", state: "open", settings: { maxFailures: 1, openMs: 60_000, probeCount: 2 } },
      { name: "log", state: "closed", settings: { maxFailures: 5, openMs: 30_000, probeCount: 2 } },
    ]);
  });

  it("turn before the eyes of an inspector, each under its name", async () => {
    const { parts, clock } = await runtimeUnderTest({ breakers: { email: { maxFailures: 1 } } });
    const seen: unknown[] = [];
    const subscription = parts.supervisor.root.system.inspect((event) => {
      if (event.type !== "@xstate.snapshot" || !("value" in event.snapshot)) return;
      if ("id" in event.actorRef && event.actorRef.id === "breaker.email") seen.push(event.snapshot.value);
    });
    const email = parts.breakers.of("email");
    email.enter()?.failed();
    await clock.advance(openMs + tickMs);
    email.reset();
    subscription.unsubscribe();
    expect(seen.filter((state, index) => state !== seen[index - 1])).toEqual(["closed", "open", "halfOpen", "closed"]);
  });

  it("turn before `runcast.inspect`, that of a connection too", async () => {
    const clock = manualClock();
    const runcast = await createRuncast({
      store: "memory:",
      auth: () => Promise.resolve({ userId: "alice" }),
      clock,
      heartbeatMs: 1_000,
      breakers: { connection: { maxFailures: 1 } },
    });
    const seen: unknown[] = [];
    const detach = runcast.inspect((event) => {
      if (event.type !== "@xstate.snapshot" || !("value" in event.snapshot) || !("id" in event.actorRef)) return;
      if (String(event.actorRef.id).startsWith("breaker.") && seen.at(-1) !== event.snapshot.value)
        seen.push(event.snapshot.value);
    });
    const transport = new RecordingTransport();
    transport.answersPings = false;
    const principal = userOf("alice", clock.now());
    const connection = await Effect.runPromise(runcast.runtime.open({ transport, principal }));
    connection.receive({ type: "hello", from: "now" });
    await clock.advance(1_100);
    connection.heard();
    transport.answersPings = true;
    transport.onPing = () => connection.heard();
    await clock.advance(openMs + 2_000);
    detach();
    await runcast.close();
    expect(seen).toEqual(["closed", "open", "halfOpen", "closed"]);
  });
});
