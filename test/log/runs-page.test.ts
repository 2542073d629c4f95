import { describe, expect, it } from "vitest";
import { InvalidInput } from "../../src/errors.ts";
import { pageBefore } from "../../src/log/page-place.ts";
import { runsPage } from "../../src/log/runs-page.ts";

const found = (...places: readonly number[]) => places.map((place) => ({ place }));

describe("a page of runs", () => {
  it("is named by the place of its last run, while there are more", () => {
    expect(runsPage(found(9, 8, 7), 2)).toEqual({ page: found(9, 8), next: "8" });
    expect(runsPage(found(9, 8), 2)).toEqual({ page: found(9, 8), next: null });
    expect(runsPage(found(9), 2)).toEqual({ page: found(9), next: null });
    expect(runsPage(found(), 2)).toEqual({ page: [], next: null });
  });

  it("begins at the newest, or before the place that a page named", () => {
    expect(pageBefore(undefined)).toBeUndefined();
    expect(pageBefore("8")).toBe(8);
    expect(pageBefore("123456789012345")).toBe(123_456_789_012_345);
  });

  it.each(["", "x8", "8x", "-8", "8.5", "1234567890123456"])("is not named %j by any page", (name) => {
    expect(() => pageBefore(name)).toThrow(InvalidInput);
    expect(() => pageBefore(name)).toThrow("not a page that this log gave");
  });
});
