import { describe, expect, it } from "vitest";
import { asTenantId, asUserId, type StreamKey, streamKey } from "../../protocol/ids.ts";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { type WaitingRow, WaitingRows } from "../../src/runtime/waiting-rows.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

const stream = (user: string): StreamKey => streamKey(asTenantId("default"), asUserId(user));
const row = (user: string, offset: number): WaitingRow => ({
  ...{ stream: stream(user), offset, state: "waiting", note: "", version: 1 },
});

function waitingRows(maxRows = 1_000_000) {
  const clock = manualClock();
  const timers = new Set<() => void>();
  const counted = {
    ...clock,
    after: (delayMs: number, task: () => void) => {
      const fire = (): void => {
        timers.delete(fire);
        task();
      };
      timers.add(fire);
      const cancel = clock.after(delayMs, fire);
      return () => {
        timers.delete(fire);
        cancel();
      };
    },
  };
  const due: WaitingRow[] = [];
  const rows: WaitingRows = new WaitingRows(
    new Deadlines(counted, (cause) => {
      throw cause;
    }),
    maxRows,
    () => {
      for (let one = rows.take(); one !== undefined; one = rows.take()) due.push(one);
    },
  );
  return { clock, rows, due, timers: () => timers.size };
}

describe("waiting rows", () => {
  it("give out each row once, when its time has come and not before", async () => {
    const { clock, rows, due } = waitingRows();
    rows.add(row("ann", 1), 1_000);
    rows.add(row("ann", 2), 500);
    rows.add(row("ann", 2), 700);
    await clock.advance(499);
    expect(due).toEqual([]);
    await clock.advance(51);
    expect(due).toEqual([row("ann", 2)]);
    await clock.advance(1_000);
    expect(due).toEqual([row("ann", 2), row("ann", 1)]);
    expect(rows.size).toBe(0);
  });

  it("drop what is acknowledged, also when its time has come and nobody has taken it", async () => {
    const { clock, rows, due, timers } = waitingRows();
    for (let offset = 1; offset <= 4; offset += 1) rows.add(row("ann", offset), 1_000);
    rows.add(row("bob", 1), 1_000);
    expect(rows.drop(stream("ann"), 2)).toBe(2);
    expect(rows.drop(stream("ann"), 2)).toBe(0);
    expect(rows.has(stream("ann"), 3)).toBe(true);
    await clock.advance(1_100);
    expect(due.map(({ offset }) => offset)).toEqual([3, 4, 1]);
    rows.add(row("ann", 9), 5_000);
    expect(rows.drop(stream("ann"), 9)).toBe(1);
    await clock.advance(9_000);
    expect([due.length, timers()]).toEqual([3, 0]);
  });

  it("are bounded, and have room again for each that leaves", () => {
    const { rows } = waitingRows(2);
    expect([rows.add(row("ann", 1), 9), rows.add(row("ann", 2), 9), rows.add(row("ann", 3), 9)]).toEqual([
      true,
      true,
      false,
    ]);
    rows.drop(stream("ann"), 1);
    expect(rows.add(row("ann", 3), 9)).toBe(true);
  });

  it("cost one timer, however many they are", async () => {
    const { clock, rows, due, timers } = waitingRows();
    const count = 100_000;
    for (let index = 0; index < count; index += 1) rows.add(row(`user ${index % 5_000}`, index), index % 30_000);
    expect([rows.size, timers()]).toEqual([count, 1]);
    await clock.advance(30_100);
    expect([rows.size, due.length, timers()]).toEqual([0, count, 0]);
  });
});
