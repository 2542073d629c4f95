import { describe, expect, it } from "vitest";
import { foldOutage, type Link, linkText, type Outage } from "../../src/console/link.ts";

const link = (phase: Link["phase"], offset: number, head: number): Link => ({ phase, offset, head });

/** The outage after each look at the link. */
function looks(...seen: readonly (readonly [atMs: number, link: Link])[]): (Outage | undefined)[] {
  let before: Link = link("connecting", 0, 0);
  let outage: Outage | undefined;
  return seen.map(([atMs, now]) => {
    outage = foldOutage(outage, before, now, atMs);
    before = now;
    return outage;
  });
}

describe("outage", () => {
  it("counts what was missed and how long it took to catch up", () => {
    const last = looks(
      [0, link("live", 10, 10)],
      [1_000, link("reconnecting", 10, 10)],
      [3_000, link("catchingUp", 10, 24)],
      [3_020, link("catchingUp", 20, 24)],
      [3_040, link("live", 24, 24)],
    ).at(-1);
    expect(last).toEqual({ cutAt: 1_000, offset: 10, resumedAt: 3_000, missed: 14, healedAt: 3_040 });
  });

  it("is healed only when all that was missing is here, whatever came meanwhile", () => {
    const seen = looks(
      [0, link("live", 10, 10)],
      [10, link("reconnecting", 10, 10)],
      [20, link("catchingUp", 10, 15)],
      [30, link("catchingUp", 14, 18)],
      [40, link("catchingUp", 15, 19)],
      [50, link("live", 19, 19)],
    );
    expect(seen.map((outage) => outage?.healedAt)).toEqual([undefined, undefined, undefined, undefined, 40, 40]);
    expect(seen.at(-1)?.missed).toBe(5);
  });

  it("is healed at once when nothing was missed", () => {
    const seen = looks([0, link("live", 3, 3)], [10, link("offline", 3, 3)], [90, link("live", 3, 3)]);
    expect(seen.at(-1)).toMatchObject({ missed: 0, resumedAt: 90, healedAt: 90 });
  });

  it("does not begin before the first connection, nor when the client was stopped", () => {
    expect(looks([0, link("reconnecting", 0, 0)], [5, link("live", 0, 0)])).toEqual([undefined, undefined]);
    expect(looks([0, link("live", 4, 4)], [5, link("stopped", 4, 4)])).toEqual([undefined, undefined]);
  });

  it("begins anew with the next cut", () => {
    const seen = looks(
      [0, link("live", 1, 1)],
      [1, link("reconnecting", 1, 1)],
      [2, link("live", 5, 5)],
      [3, link("reconnecting", 5, 5)],
    );
    expect(seen.at(-1)).toEqual({ cutAt: 3, offset: 5 });
  });
});

describe("link text", () => {
  it("counts down to the next attempt", () => {
    const waiting: Link = { ...link("reconnecting", 0, 0), retryAt: 5_000 };
    expect(linkText(waiting, 3_100)).toBe("reconnecting in 2 s");
    expect(linkText(waiting, 5_001)).toBe("reconnecting");
    expect(linkText({ ...link("stopped", 0, 0), reason: "no token" }, 0)).toBe("stopped");
  });
});
