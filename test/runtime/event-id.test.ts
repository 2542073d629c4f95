import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/platform/clock.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { eventIds } from "../../src/runtime/event-id.ts";

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("event ids", () => {
  it("are UUIDs of version 7 that sort in the order in which they were made", () => {
    const next = eventIds(systemClock);
    const ids = Array.from({ length: 20_000 }, next);
    for (const id of ids) expect(id).toMatch(uuidV7);
    // Between two milliseconds the random part may fall, within one it never does.
    const times = ids.map((id) => id.slice(0, 13));
    expect(times).toEqual(times.toSorted());
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("stay well-formed and apart whatever the randomness says", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        fc.integer({ min: 0, max: 2 ** 47 }),
        (bytes, ms) => {
          const clock: Clock = { ...systemClock, now: () => ms, random: () => bytes };
          const next = eventIds(clock);
          const [first, second] = [next(), next()];
          expect(first).toMatch(uuidV7);
          expect(second).toMatch(uuidV7);
          expect(second > first).toBe(true);
        },
      ),
    );
  });
});
