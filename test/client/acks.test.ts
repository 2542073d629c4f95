import { describe, expect, it } from "vitest";
import type { Cursor } from "../../protocol/ids.ts";
import { ackEveryMs, Acks } from "../../src/client/acks.ts";
import { ManualTimers } from "../support/manual-timers.ts";
import { epochA } from "../support/scripted-server.ts";

const halfMiB = 524_288;

function acksOf(windowEvents = 100) {
  const timers = new ManualTimers();
  const sent: number[] = [];
  let handed: Cursor = { epoch: epochA, offset: 0 };
  const acks = new Acks(timers, { handed: () => handed, acknowledge: ({ offset }) => sent.push(offset) });
  acks.startFrom(handed);
  acks.opened(windowEvents);
  const hand = (offset: number): void => {
    handed = { epoch: epochA, offset };
    acks.moved();
  };
  return { acks, timers, sent, hand };
}

describe("acks", () => {
  it("says once per 200 ms how far the application is, and the last word of it", () => {
    const { timers, sent, hand } = acksOf();
    for (let offset = 1; offset <= 40; offset += 1) hand(offset);
    expect(sent).toEqual([]);
    timers.advance(ackEveryMs);
    expect(sent).toEqual([40]);
    hand(41);
    timers.advance(ackEveryMs - 1);
    expect(sent).toEqual([40]);
    timers.advance(1);
    expect(sent).toEqual([40, 41]);
  });

  it("is silent while nothing moves", () => {
    const { timers, sent, hand } = acksOf();
    hand(0);
    timers.advance(10 * ackEveryMs);
    expect(sent).toEqual([]);
    expect(timers.waitsMs).toEqual([]);
  });

  it("does not wait when half of the window in events is handed over", () => {
    const { acks, sent, hand } = acksOf(100);
    acks.received({ upto: 49, events: 49, chars: 10 });
    hand(49);
    expect(sent).toEqual([]);
    acks.received({ upto: 50, events: 1, chars: 10 });
    hand(50);
    expect(sent).toEqual([50]);
  });

  it("does not wait when half of the window in bytes is handed over", () => {
    const { acks, sent, hand } = acksOf(1_000);
    acks.received({ upto: 1, events: 1, chars: halfMiB - 1 });
    hand(1);
    expect(sent).toEqual([]);
    acks.received({ upto: 2, events: 1, chars: 1 });
    hand(2);
    expect(sent).toEqual([2]);
  });

  it("says the last word at the end and nothing after it", () => {
    const { acks, timers, sent, hand } = acksOf();
    hand(3);
    acks.end();
    hand(4);
    timers.advance(ackEveryMs);
    expect(sent).toEqual([3]);
    expect(timers.waitsMs).toEqual([]);
  });
});
