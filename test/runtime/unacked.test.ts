import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Unacked } from "../../src/runtime/unacked.ts";

const window = { maxEvents: 1_024, maxBytes: 1_048_576 };
/** Two neighbours share an entry unless they exceed a 32nd of the window together. */
const maxEntries = 2 * (32 + 32);

/** Frames of a stream, each beginning where the one before it ended. */
const frames = fc.array(
  fc.record({ events: fc.integer({ min: 1, max: 60 }), bytes: fc.integer({ min: 1, max: 90_000 }) }),
  {
    minLength: 1,
    maxLength: 300,
  },
);

function filled(sent: readonly { readonly events: number; readonly bytes: number }[]) {
  const unacked = new Unacked(window);
  let upto = 0;
  for (const { events, bytes } of sent) {
    if (unacked.isFull) break;
    unacked.sent(upto, upto + events, events, bytes);
    upto += events;
  }
  return { unacked, upto };
}

describe("the account of what is un-acked", () => {
  it("costs a bounded number of entries, however small the frames are that nobody acknowledges", () => {
    const tokens = filled(Array.from({ length: window.maxEvents }, () => ({ events: 1, bytes: 300 })));
    expect(tokens.unacked.events).toBe(window.maxEvents);
    expect(tokens.unacked.entryCount).toBe(32);
    fc.assert(fc.property(frames, (sent) => filled(sent).unacked.entryCount <= maxEntries));
  });

  it("is empty when everything is acknowledged, and exact at every offset of a dense stream", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat()), (sent, picks) => {
        const { unacked, upto } = filled(sent);
        const acks = picks.map((pick) => pick % (upto + 1)).toSorted((a, b) => a - b);
        for (const offset of acks) {
          unacked.ack(offset);
          expect(unacked.events).toBe(upto - offset);
          expect(unacked.bytes).toBeGreaterThanOrEqual(0);
        }
        unacked.ack(upto);
        expect([unacked.events, unacked.bytes, unacked.entryCount]).toEqual([0, 0, 0]);
      }),
    );
  });

  it("does not hold a client that names the last event it got instead of the range that was covered", () => {
    const unacked = new Unacked({ maxEvents: 1, maxBytes: 1_000 });
    unacked.sent(0, 100, 1, 50);
    expect(unacked.isFull).toBe(true);
    unacked.ack(5);
    expect([unacked.isFull, unacked.bytes]).toEqual([false, 0]);
  });
});
