import { describe, expect, it } from "vitest";
import { cutOf, isNextOf, type RunSpan, unackedRange } from "../../src/log/retire-rules.ts";

const ended = (firstOffset: number, lastOffset: number): RunSpan => ({ firstOffset, lastOffset, ended: "completed" });
const living = (firstOffset: number, lastOffset: number): RunSpan => ({ firstOffset, lastOffset, ended: undefined });
const roomy = 1_000;

describe("the cut of a stream", () => {
  it("takes what is old, and whole runs within it", () => {
    expect(cutOf(1, 5, [], roomy)).toBe(5);
    expect(cutOf(1, 5, [ended(2, 4)], roomy)).toBe(5);
    expect(cutOf(4, 3, [], roomy)).toBe(3);
  });

  it("leaves a living run and all behind its beginning", () => {
    expect(cutOf(1, 9, [living(4, 5)], roomy)).toBe(3);
    expect(cutOf(1, 5, [living(5, 7)], roomy)).toBe(4);
    expect(cutOf(1, 5, [living(1, 2)], roomy)).toBe(0);
  });

  it("leaves an ended run whole that is partly young", () => {
    expect(cutOf(1, 5, [ended(2, 6)], roomy)).toBe(1);
  });

  it("is not moved by runs that begin behind what is old", () => {
    expect(cutOf(1, 5, [living(8, 9)], roomy)).toBe(5);
  });

  it("never goes through a run that another one lies within", () => {
    expect(cutOf(1, 7, [ended(1, 6), ended(3, 4), ended(5, 9)], roomy)).toBe(0);
    expect(cutOf(1, 9, [ended(1, 6), ended(3, 4), living(8, 9)], roomy)).toBe(7);
  });

  it("ends at the first place between runs where a slice is full", () => {
    const runs = [ended(4, 6), ended(7, 9)];
    expect([2, 3, 4, 6, 7].map((maxEvents) => cutOf(1, 9, runs, maxEvents))).toEqual([3, 3, 6, 6, 9]);
    expect(cutOf(3, 9, runs, 2)).toBe(6);
  });
});

describe("the unacknowledged part of a cut", () => {
  it("begins behind what was acknowledged, and is none where all was", () => {
    expect(unackedRange(1, 3, 0)).toEqual({ from: 1, upto: 3 });
    expect(unackedRange(1, 3, 1)).toEqual({ from: 2, upto: 3 });
    expect(unackedRange(5, 9, 2)).toEqual({ from: 5, upto: 9 });
    expect(unackedRange(1, 3, 3)).toBeUndefined();
    expect(unackedRange(1, 3, 7)).toBeUndefined();
  });
});

describe("the dead letter of a sweep", () => {
  it("goes on with the last one of the stream when it touches it on the same day", () => {
    const range = (from: number, time: string) =>
      ({ stream: "", tenantId: "", from, upto: from, events: 1, reason: "", time }) as never;
    const last = { upto: 3, time: "2026-11-25T10:00:00.000Z" };
    expect(isNextOf(last, range(4, "2026-11-25T23:00:00.000Z"))).toBe(true);
    expect(isNextOf(last, range(5, "2026-11-25T23:00:00.000Z"))).toBe(false);
    expect(isNextOf(last, range(4, "2026-11-26T00:00:00.000Z"))).toBe(false);
  });
});
