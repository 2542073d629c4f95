import { describe, expect, it } from "vitest";
import { Lane } from "../../src/runtime/lane.ts";
import { turn } from "../../src/testing/manual-clock.ts";

function world(width: number) {
  const lane = new Lane(width);
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  const add = (name: number) =>
    lane.add(
      () =>
        new Promise<void>((resolve) => {
          begun.push(name);
          ends.set(name, resolve);
        }),
    );
  const end = async (name: number) => {
    ends.get(name)?.();
    await turn();
  };
  return { add, end, begun };
}

describe("a lane", () => {
  it("begins at once what it is wide enough for, and the rest in order as places come free", async () => {
    const { add, end, begun } = world(2);
    for (const name of [1, 2, 3, 4]) add(name);
    expect(begun).toEqual([1, 2]);
    await end(2);
    expect(begun).toEqual([1, 2, 3]);
    await end(1);
    expect(begun).toEqual([1, 2, 3, 4]);
    add(5);
    expect(begun).toEqual([1, 2, 3, 4]);
    await end(3);
    await end(4);
    expect(begun).toEqual([1, 2, 3, 4, 5]);
  });

  it("is free again when everything is done, as often as one likes", async () => {
    const { add, end, begun } = world(1);
    for (const name of [1, 2, 3]) {
      add(name);
      await end(name);
    }
    expect(begun).toEqual([1, 2, 3]);
    add(4);
    add(5);
    expect(begun).toEqual([1, 2, 3, 4]);
    await end(4);
    expect(begun).toEqual([1, 2, 3, 4, 5]);
  });
});
