import { describe, expect, it } from "vitest";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

describe("a deadline wheel that was stopped", () => {
  it("sets no timer any more, and fires nothing", async () => {
    const clock = manualClock();
    const deadlines = new Deadlines(clock, () => {});
    const fired: string[] = [];
    const early = deadlines.after(100, () => fired.push("early"));
    expect(clock.nextInMs).toBe(100);
    deadlines.stop();
    expect(clock.nextInMs).toBeUndefined();
    deadlines.after(50, () => fired.push("late"));
    early.moveTo(10);
    expect(clock.nextInMs).toBeUndefined();
    await clock.advance(1_000);
    expect(fired).toEqual([]);
  });
});
