/** Rates: the one number that a caller costs answers as a bucket of tokens would, and its refusals say when to come back. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rates } from "../src/runtime/rates.ts";
import { parameters } from "./support/parameters.ts";

/** Ten lines that everybody understands. */
class Bucket {
  private tokens: number;
  private atMs = 0;
  private readonly perMs: number;
  private readonly size: number;

  constructor(perSecond: number) {
    this.perMs = perSecond / 1_000;
    this.size = Math.max(10, perSecond * 10);
    this.tokens = this.size;
  }

  take(nowMs: number, cost: number): boolean {
    this.tokens = Math.min(this.size, this.tokens + (nowMs - this.atMs) * this.perMs);
    this.atMs = nowMs;
    if (this.tokens < Math.min(cost, this.size) - 1e-6) return false;
    this.tokens -= cost;
    return true;
  }
}

const perSecond = fc.oneof(fc.constantFrom(0.5, 1, 2, 20, 500), fc.double({ min: 0.1, max: 1_000, noNaN: true }));
const steps = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.constant(0), fc.nat(50), fc.nat(30_000)),
    who: fc.nat(2),
    cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 20_000 })),
  }),
  { maxLength: 80 },
);

describe("rates", () => {
  it("let through what a bucket of tokens lets through, for each caller alone", () => {
    fc.assert(
      fc.property(perSecond, steps, (rate, script) => {
        let nowMs = 0;
        const rates = new Rates({ mono: () => nowMs });
        const buckets = [new Bucket(rate), new Bucket(rate), new Bucket(rate)];
        for (const { waitMs, who, cost } of script) {
          nowMs += waitMs;
          expect(rates.take(`caller ${who}`, rate, cost) === 0).toBe(buckets[who]?.take(nowMs, cost));
        }
      }),
      parameters(1_000),
    );
  });

  it("say exactly when the same will pass", () => {
    fc.assert(
      fc.property(perSecond, steps, (rate, script) => {
        let nowMs = 0;
        const rates = new Rates({ mono: () => nowMs });
        for (const { waitMs, cost } of script) {
          nowMs += waitMs;
          const retryAfterMs = rates.take("caller", rate, cost);
          if (retryAfterMs === 0) continue;
          const early = Math.max(0, retryAfterMs - 2);
          nowMs += early;
          if (early > 0) expect(rates.take("caller", rate, cost)).toBeGreaterThan(0);
          nowMs += retryAfterMs - early;
          expect(rates.take("caller", rate, cost)).toBe(0);
        }
      }),
      parameters(500),
    );
  });

  it("remember no more callers than they may", () => {
    const rates = new Rates({ mono: () => 0 }, 100);
    for (let caller = 0; caller < 10_000; caller += 1) rates.take(`caller ${caller}`, 1);
    expect(rates.size).toBe(100);
  });

  it("keep who comes all the time when a flood of others goes by", () => {
    const rates = new Rates({ mono: () => 0 }, 100);
    for (let turn = 0; turn < 10; turn += 1) rates.take("the one", 1);
    const waits: number[] = [];
    for (let caller = 0; caller < 10_000; caller += 1) {
      rates.take(`caller ${caller}`, 1);
      if (caller % 40 === 0) waits.push(rates.take("the one", 1));
    }
    expect(Math.min(...waits)).toBeGreaterThan(0);
  });
});
