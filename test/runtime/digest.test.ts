import { describe, expect, it } from "vitest";
import { bodyDigest, eventDigest } from "../../src/runtime/digest.ts";

describe("the digest of a body", () => {
  it("is the same for the same body, however its fields are ordered", () => {
    expect(bodyDigest({ a: 1, b: { c: [1, 2], d: null } })).toBe(bodyDigest({ b: { d: null, c: [1, 2] }, a: 1 }));
    expect(bodyDigest({ a: 1, b: undefined })).toBe(bodyDigest({ a: 1 }));
    expect(bodyDigest([undefined, 1])).toBe(bodyDigest([null, 1]));
  });

  it("is another for every other body", () => {
    const bodies: readonly unknown[] = [
      ...[[1, 23], [12, 3], [123], [[1], 23], [1, [23]], []],
      ...[{ a: 1, b: 2 }, { a: 2, b: 1 }, { a: "1", b: 2 }, { ab: 12 }, { a: { b: 2 } }, {}],
      ...["a", "b", '"a"', "", 1, 12, true, false, null, [null], "null", [""], ["a", "b"], ["b", "a"], ["a,b"]],
    ];
    expect(new Set(bodies.map(bodyDigest)).size).toBe(bodies.length);
  });

  it("tells events of one text and two types apart", () => {
    expect(eventDigest("x.a", { n: 1 })).not.toBe(eventDigest("x.b", { n: 1 }));
    expect(eventDigest("x.a", { n: 1 })).not.toBe(eventDigest("x.a", { n: 2 }));
    expect(eventDigest("x.a", { n: 1, m: 2 })).toBe(eventDigest("x.a", { m: 2, n: 1 }));
  });
});
