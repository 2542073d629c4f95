import { describe, expect, it } from "vitest";
import type { EventLog, ReadLimit } from "../../src/log/event-log.ts";
import { memoryLog } from "../../src/log/memory.ts";
import { follow } from "../../src/runtime/follow.ts";
import { alice, bob, event, notice, write } from "../../src/testing/event-log/sample.ts";
import { turn } from "../../src/testing/manual-clock.ts";

/** A log that says how often it was read, how many listen, and what they follow. */
function world() {
  const memory = memoryLog();
  let reads = 0;
  let listeners = 0;
  const log: EventLog = {
    ...memory,
    read: (...ask: [typeof alice, number, ReadLimit]) => {
      reads += 1;
      return memory.read(...ask);
    },
    watch: (listener) => {
      listeners += 1;
      const unwatch = memory.watch(listener);
      return () => {
        listeners -= 1;
        unwatch();
      };
    },
  };
  const seen: number[] = [];
  const stop = new AbortController();
  const start = (after?: number) =>
    (async () => {
      for await (const { offset } of follow(log, alice, after, stop.signal)) seen.push(offset);
    })();
  return { log, seen, stop, start, reads: () => reads, listeners: () => listeners };
}

describe("following a stream", () => {
  it("gives what is there, then what comes, and sleeps in between", async () => {
    const { log, seen, start, stop, reads, listeners } = world();
    await write(log, notice(alice, "a", "b"));
    const ended = start();
    await turn();
    expect([seen, reads(), listeners()]).toEqual([[1, 2], 1, 1]);
    await write(log, notice(bob, "x"));
    await turn();
    expect(reads()).toBe(1);
    await write(log, notice(alice, "c"));
    await write(log, notice(alice, "d"));
    await turn();
    expect(seen).toEqual([1, 2, 3, 4]);
    stop.abort();
    await ended;
    expect(listeners()).toBe(0);
  });

  it("begins behind a cursor", async () => {
    const { log, seen, start, stop } = world();
    await write(log, notice(alice, "a", "b", "c"));
    const ended = start(2);
    await turn();
    expect(seen).toEqual([3]);
    stop.abort();
    await ended;
  });

  it("reads on at once while there is more than a page", async () => {
    const { log, seen, start, stop } = world();
    const many = Array.from({ length: 1_200 }, (_, at) => event(`${at}`));
    await write(log, { stream: alice, events: many });
    const ended = start();
    await turn();
    expect(seen).toHaveLength(1_200);
    stop.abort();
    await ended;
  });

  it("misses nothing that is written while it hands events on", async () => {
    const { log, stop } = world();
    await write(log, notice(alice, "a"));
    const seen: number[] = [];
    for await (const { offset } of follow(log, alice, undefined, stop.signal)) {
      seen.push(offset);
      if (offset < 4) await write(log, notice(alice, `${offset}`));
      else stop.abort();
    }
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it("ends at once when nobody wants it any more", async () => {
    const { log, start, stop, seen, reads } = world();
    await write(log, notice(alice, "a"));
    stop.abort();
    await start();
    expect([seen, reads()]).toEqual([[], 0]);
  });

  it("leaves its signal alone when it ends in another way", async () => {
    const { log, stop, listeners } = world();
    await write(log, notice(alice, "a"));
    for await (const { offset } of follow(log, alice, undefined, stop.signal)) if (offset === 1) break;
    expect(listeners()).toBe(0);
  });

  it("fails before it would leave anything out, and says what is gone", async () => {
    const { log } = world();
    for (const date of ["20", "20", "24"])
      await write(log, { stream: alice, events: [event(date, { time: `2026-11-${date}T00:00:00.000Z` })] });
    await log.retire({ before: "2026-11-22T00:00:00.000Z", now: "2026-11-25T00:00:00.000Z", maxEvents: 9 });
    const first = (after: number) => follow(log, alice, after).next();
    await expect(first(0)).rejects.toMatchObject({
      ...{ _tag: "CursorExpired", reason: "retention", first: 3, head: 3 },
      message: "events 1 to 2 are older than what is kept",
    });
    await expect(first(4)).rejects.toMatchObject({
      ...{ _tag: "CursorExpired", reason: "ahead", first: 3, head: 3 },
      message: "the stream ends at 3, before 4: the cursor is of another log",
    });
    expect((await first(2)).value).toMatchObject({ offset: 3 });
    expect((await follow(log, alice, undefined).next()).value).toMatchObject({ offset: 3 });
  });
});
