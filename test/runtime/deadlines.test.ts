import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Deadline } from "../../src/runtime/deadlines.ts";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

const tickMs = 50;

function wheel() {
  const clock = manualClock();
  const bugs: unknown[] = [];
  return { clock, bugs, deadlines: new Deadlines(clock, (cause) => bugs.push(cause)) };
}

describe("the deadline wheel", () => {
  it("fires in the order of the deadlines, none early, none later than a tick", async () => {
    const { clock, deadlines } = wheel();
    const delays = Array.from({ length: 200 }, (_, index) => (index * 7_919) % 3_000);
    const fired: { delayMs: number; atMs: number }[] = [];
    for (const delayMs of delays) deadlines.after(delayMs, () => fired.push({ delayMs, atMs: clock.mono() }));
    await clock.advance(3_000 + tickMs);
    expect(fired.map(({ delayMs }) => delayMs)).toEqual(delays.toSorted((a, b) => a - b));
    for (const { delayMs, atMs } of fired) {
      expect(atMs).toBeGreaterThanOrEqual(delayMs);
      expect(atMs - delayMs).toBeLessThanOrEqual(tickMs);
    }
  });

  it("fires on when one of them throws, in the same tick and in later ones (I0)", async () => {
    const { clock, bugs, deadlines } = wheel();
    const fired: number[] = [];
    for (const delayMs of [10, 20, 30, 200]) {
      deadlines.after(delayMs, () => {
        if (delayMs === 20) throw new Error("of this one");
        fired.push(delayMs);
      });
    }
    await clock.advance(200 + tickMs);
    expect([fired, bugs]).toEqual([[10, 30, 200], [new Error("of this one")]]);
  });

  it("does not fire what was cancelled, not even by a deadline of the same tick", async () => {
    const { clock, deadlines } = wheel();
    const fired: string[] = [];
    const second = deadlines.after(20, () => fired.push("second"));
    deadlines.after(10, () => {
      fired.push("first");
      second.cancel();
    });
    const early = deadlines.after(10, () => fired.push("early"));
    early.cancel();
    early.moveTo(30);
    await clock.advance(1_000);
    expect(fired).toEqual(["first"]);
  });

  it("moves a deadline either way, also one that has fired", async () => {
    const { clock, deadlines } = wheel();
    const fired: number[] = [];
    const deadline = deadlines.after(1_000, () => fired.push(clock.mono()));
    deadline.moveTo(5_000);
    deadline.moveTo(2_000);
    await clock.advance(1_900);
    expect(fired).toEqual([]);
    await clock.advance(200);
    expect(fired).toEqual([2_000]);
    deadline.moveTo(3_000);
    await clock.advance(1_000);
    expect(fired).toEqual([2_000, 3_000]);
    deadline.moveTo(9_000);
    deadline.moveTo(4_000);
    await clock.advance(10_000);
    expect(fired).toEqual([2_000, 3_000, 4_000]);
  });

  it("fires once what another deadline of the same tick has moved on", async () => {
    const { clock, deadlines } = wheel();
    const fired: string[] = [];
    const second = deadlines.after(20, () => fired.push(`second at ${clock.mono()}`));
    deadlines.after(10, () => second.moveTo(500));
    await clock.advance(1_000);
    expect(fired).toEqual(["second at 500"]);
  });

  it("fires what a deadline sets up, and what was due in the past", async () => {
    const { clock, deadlines } = wheel();
    const fired: string[] = [];
    await clock.advance(500);
    deadlines.after(100, () => {
      fired.push("one");
      deadlines.after(0, () => fired.push("two"));
      deadlines.at(0, () => fired.push("past"));
    });
    await clock.advance(250);
    expect(fired.toSorted()).toEqual(["one", "past", "two"]);
  });

  it("fires nothing once it is stopped", async () => {
    const { clock, deadlines } = wheel();
    const fired: string[] = [];
    deadlines.after(10, () => fired.push("a"));
    deadlines.stop();
    deadlines.after(10, () => fired.push("b"));
    await clock.advance(1_000);
    expect(fired).toEqual([]);
  });

  it("agrees with a sorted list, whatever is set, moved and cancelled", async () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant("set" as const), ms: fc.nat(2_000) }),
      fc.record({ op: fc.constant("move" as const), which: fc.nat(20), ms: fc.nat(2_000) }),
      fc.record({ op: fc.constant("cancel" as const), which: fc.nat(20), ms: fc.constant(0) }),
      fc.record({ op: fc.constant("wait" as const), ms: fc.nat(500) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { clock, deadlines } = wheel();
        const made: { due: number | undefined; isCancelled: boolean; readonly deadline: Deadline }[] = [];
        for (const each of steps) {
          const at = clock.mono();
          if (each.op === "set") {
            const place = made.length;
            const deadline = deadlines.at(at + each.ms, () => {
              const entry = made[place];
              expect(entry?.isCancelled).toBe(false);
              expect(clock.mono()).toBeGreaterThanOrEqual(entry?.due ?? Number.POSITIVE_INFINITY);
              if (entry) entry.due = undefined;
            });
            made.push({ due: at + each.ms, isCancelled: false, deadline });
          } else if (each.op === "wait") {
            await clock.advance(each.ms);
            // What has not fired is not overdue by more than a tick.
            for (const { due } of made)
              expect((due ?? Number.POSITIVE_INFINITY) + tickMs).toBeGreaterThanOrEqual(clock.mono());
          } else {
            const entry = made[each.which];
            if (entry === undefined) continue;
            if (each.op === "cancel") entry.deadline.cancel();
            else entry.deadline.moveTo(at + each.ms);
            entry.isCancelled ||= each.op === "cancel";
            entry.due = entry.isCancelled ? undefined : at + each.ms;
          }
        }
        await clock.advance(2_000 + tickMs);
        for (const { due } of made) expect(due).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });
});
