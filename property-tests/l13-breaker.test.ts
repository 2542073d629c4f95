/**
 * L13: a breaker opens iff its threshold is met, and lets exactly its probes through. The real breakers over the real
 * deadline wheel, with calls that overlap, clocks that step and operators that reset, beside a model of ten lines.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BreakerSettings } from "../machines/circuit-breaker.ts";
import type { Passage } from "../src/runtime/breakers.ts";
import { Breakers, CircuitOpen } from "../src/runtime/breakers.ts";
import { Deadlines } from "../src/runtime/deadlines.ts";
import { Supervisor } from "../src/runtime/supervisor.ts";
import { manualClock } from "../src/testing/manual-clock.ts";
import { parameters } from "./support/parameters.ts";

const tickMs = 50;
type Word = "succeeded" | "failed" | "dropped";

/** What L13 says, and nothing of how it is done. A call remembers the `since` that it began in. */
class Model {
  state: "closed" | "open" | "halfOpen" = "closed";
  private since = 0;
  private failures = 0;
  private free = 0;
  private good = 0;
  private readonly settings: BreakerSettings;
  constructor(settings: BreakerSettings) {
    this.settings = settings;
  }

  private turn(state: Model["state"]): void {
    Object.assign(this, { state, since: this.since + 1, failures: 0, good: 0, free: this.settings.probeCount });
  }
  enter(): number | undefined {
    if (this.state === "open" || (this.state === "halfOpen" && this.free === 0)) return undefined;
    if (this.state === "halfOpen") this.free -= 1;
    return this.since;
  }
  over(since: number, word: Word): void {
    if (since !== this.since) return;
    if (word === "dropped") this.free += 1;
    else if (this.state === "closed") this.failures = word === "failed" ? this.failures + 1 : 0;
    else this.good += word === "failed" ? Number.NEGATIVE_INFINITY : 1;
    if (this.failures >= this.settings.maxFailures || this.good < 0) this.turn("open");
    else if (this.good >= this.settings.probeCount && this.state === "halfOpen") this.turn("closed");
  }
  openMsPassed(): void {
    if (this.state === "open") this.turn("halfOpen");
  }
  reset(): void {
    if (this.state === "closed") this.failures = 0;
    else this.turn("closed");
  }
}

const settings = fc.record({
  maxFailures: fc.integer({ min: 1, max: 4 }),
  openMs: fc.integer({ min: 1, max: 400 }),
  probeCount: fc.integer({ min: 1, max: 3 }),
});
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("call" as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("tell" as const),
      which: fc.nat(7),
      word: fc.constantFrom<Word>("failed", "failed", "succeeded", "dropped"),
      twice: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 600 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sleep" as const), ms: fc.integer({ min: 0, max: 2_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reset" as const) }) },
);

describe("L13 breaker", () => {
  it("opens iff its threshold is met, lets exactly its probes through, and calls nothing while it is open", async () => {
    const reached = { open: 0, halfOpen: 0, reopened: 0, healed: 0, refusedProbe: 0 };
    await fc.assert(
      fc.asyncProperty(settings, fc.array(step, { maxLength: 80, size: "max" }), async (set, steps) => {
        const clock = manualClock();
        const turns: string[] = [];
        const deadlines = new Deadlines(clock, (cause) => expect.unreachable(String(cause)));
        const breaker = new Breakers({
          supervisor: new Supervisor(),
          deadlines,
          clock,
          settingsOf: () => set,
          onTurn: ({ state }, before) => turns.push(`${before} → ${state}`),
        }).of("log");
        const model = new Model(set);
        const underWay: { readonly passage: Passage; readonly since: number }[] = [];
        let reopensAtMono = 0;
        const tell = (each: (typeof underWay)[number], word: Word): void => {
          const before = model.state;
          model.over(each.since, word);
          each.passage[word]();
          if (model.state === "open" && before !== "open") reopensAtMono = clock.mono() + set.openMs;
        };
        for (const each of steps) {
          if (each.do === "call") {
            const since = model.enter();
            expect(breaker.lets).toBe(since !== undefined);
            let calls = 0;
            if (since === undefined) {
              if (model.state === "halfOpen") reached.refusedProbe += 1;
              await expect(breaker.run(async () => (calls += 1))).rejects.toBeInstanceOf(CircuitOpen);
            }
            expect(calls).toBe(0);
            const passage = breaker.enter();
            expect(passage !== undefined).toBe(since !== undefined);
            if (passage && since !== undefined) underWay.push({ passage, since });
          } else if (each.do === "tell") {
            const [call] = underWay.splice(each.which % Math.max(1, underWay.length), 1);
            if (call === undefined) continue;
            tell(call, each.word);
            // What is said twice counts once.
            if (each.twice) call.passage.failed();
          } else if (each.do === "wait") {
            await clock.advance(each.ms);
            if (Math.ceil(reopensAtMono / tickMs) * tickMs <= clock.mono()) model.openMsPassed();
          } else if (each.do === "sleep") clock.jump(each.ms);
          else {
            model.reset();
            breaker.reset();
          }
          expect(breaker.state).toBe(model.state);
          expect(breaker.health === 0).toBe(model.state === "open");
        }
        deadlines.stop();
        reached.open += turns.filter((turn) => turn === "closed → open").length;
        reached.reopened += turns.filter((turn) => turn === "halfOpen → open").length;
        reached.halfOpen += turns.filter((turn) => turn === "open → halfOpen").length;
        reached.healed += turns.filter((turn) => turn === "halfOpen → closed").length;
        expect(turns).not.toContain("closed → halfOpen");
      }),
      parameters(800),
    );
    for (const [what, count] of Object.entries(reached)) expect(count, what).toBeGreaterThan(0);
  });
});
