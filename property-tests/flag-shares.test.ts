/** Percent rules: a user always falls on the same side, a share that grows keeps who was in it, and it is as large as it says. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { placeOf, valueUnder } from "../src/runtime/flag-rules.ts";
import { parameters } from "./support/parameters.ts";

const name = fc.string({ minLength: 1, maxLength: 20 });
const user = fc.record({ tenantId: name, userId: name });
const percent = fc.double({ min: 0, max: 100, noNaN: true });
const share = (value: number, seed: string) => ({ default: false, percent: { value: true, percent: value, seed } });
const isIn = (at: number, seed: string, whose: { tenantId: string; userId: string }): boolean =>
  valueUnder("performanceMode", share(at, seed), whose);

describe("a share of users", () => {
  it("is the same every time, and only grows when its percent grows", () => {
    fc.assert(
      fc.property(user, name, percent, percent, (whose, seed, one, other) => {
        const [low, high] = [Math.min(one, other), Math.max(one, other)];
        expect(isIn(low, seed, whose)).toBe(isIn(low, seed, whose));
        if (isIn(low, seed, whose)) expect(isIn(high, seed, whose)).toBe(true);
        expect(isIn(0, seed, whose)).toBe(false);
        expect(isIn(100, seed, whose)).toBe(true);
      }),
      parameters(500),
    );
  });

  it("gives way to what a tenant has of its own", () => {
    fc.assert(
      fc.property(user, percent, fc.boolean(), (whose, at, own) => {
        const rule = { ...share(at, "s"), tenants: { [whose.tenantId]: own } };
        expect(valueUnder("performanceMode", rule, whose)).toBe(own);
      }),
      parameters(200),
    );
  });

  it("is drawn anew for each flag, seed, tenant and user, wherever their names are cut", () => {
    fc.assert(
      fc.property(name, name, name, name, (seed, tenantId, userId, more) => {
        const place = placeOf("batching", seed, tenantId, userId);
        expect(placeOf("performanceMode", seed, tenantId, userId)).not.toBe(place);
        expect(placeOf("batching", seed, tenantId + more, userId)).not.toBe(place);
        expect(placeOf("batching", seed + tenantId, "", userId)).not.toBe(place);
        expect(placeOf("batching", seed, "", tenantId + userId)).not.toBe(place);
      }),
      parameters(200),
    );
  });

  it.each([1, 10, 50, 90])("of %i %% holds that part of many users", (at) => {
    const users = Array.from({ length: 20_000 }, (_, index) => ({ tenantId: "t", userId: `user-${index}` }));
    for (const seed of ["a", "b", "c"]) {
      const held = users.filter((each) => isIn(at, seed, each)).length / users.length;
      // Four standard deviations of a fair draw.
      const spread = 4 * Math.sqrt(((at / 100) * (1 - at / 100)) / users.length);
      expect(Math.abs(held - at / 100)).toBeLessThan(spread);
    }
  });
});
