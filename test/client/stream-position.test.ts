import { describe, expect, it } from "vitest";
import type { Cursor } from "../../protocol/ids.ts";
import { type StartPoint, StreamPosition, type Taken } from "../../src/client/stream-position.ts";
import { epochA, epochB, welcome } from "../support/scripted-server.ts";
import { oneRun } from "../support/sample-stream.ts";

const log = oneRun("r-1", 4);
const frame = (after: number, upto: number, events = log.slice(after, upto)) => ({
  type: "events" as const,
  after,
  upto,
  events,
});
const offsets = (taken: Taken<readonly { readonly offset: number }[]>): readonly number[] | string =>
  taken.ok ? taken.value.map(({ offset }) => offset) : taken.why;
const gap = (from: number, upto: number, reason: "retention" | "epoch" | "ahead" | "durability_none") => ({
  type: "gap" as const,
  from,
  upto,
  reason,
});
const at = (offset: number, epoch = epochA): Cursor => ({ epoch, offset });

/** A position that was told `fresh` for the whole log. */
function fresh(from: StartPoint = "start", head = 9): StreamPosition {
  const position = new StreamPosition(from, undefined);
  expect(position.welcome(welcome({ resumed: "fresh", head })).ok).toBe(true);
  return position;
}

describe("stream position", () => {
  it("takes what follows and moves its cursor to the end of the range", () => {
    const position = fresh();
    expect(offsets(position.events(frame(0, 3)))).toEqual([1, 2, 3]);
    expect(offsets(position.events(frame(3, 6, log.slice(4, 5))))).toEqual([5]);
    expect(position.cursor).toEqual(at(6));
  });

  it("drops doubles: whole frames, the overlap of a frame, and the same event twice (L5)", () => {
    const position = fresh();
    position.events(frame(0, 4));
    expect(offsets(position.events(frame(0, 4)))).toEqual([]);
    expect(offsets(position.events(frame(2, 6)))).toEqual([5, 6]);
    expect(offsets(position.events(frame(6, 8, [...log.slice(6, 8), ...log.slice(6, 8)])))).toEqual([7, 8]);
    expect(position.doubles).toBe(8);
    expect(position.cursor).toEqual(at(8));
  });

  it("refuses a hole, takes nothing of it and counts it (L4)", () => {
    const position = fresh();
    position.events(frame(0, 2));
    expect(position.events(frame(3, 5)).ok).toBe(false);
    expect(position.cursor).toEqual(at(2));
    expect(position.holes).toBe(1);
    expect(offsets(position.events(frame(2, 5)))).toEqual([3, 4, 5]);
  });

  it.each<[string, unknown]>([
    ["beyond its range", { ...log[5], offset: 99 }],
    ["that is no object", null],
    ["without an offset", { ...log[5], offset: undefined }],
    ["without a type", { ...log[5], type: 7 }],
    ["without data", { ...log[5], data: null }],
  ])("refuses a frame with an event %s", (_, event) => {
    const position = fresh();
    expect(position.events({ ...frame(0, 1), events: [event as never] }).ok).toBe(false);
    expect(position.cursor).toEqual(at(0));
  });

  it("begins at 0 for the start and at the head for now, before the first frame has come", () => {
    expect(fresh("start").hello).toEqual({ cursor: at(0) });
    expect(fresh("now", 7).hello).toEqual({ cursor: at(7) });
    expect(new StreamPosition("active", undefined).hello).toEqual({ from: "active" });
  });

  it("begins at a snapshot's offset, and not before the snapshot is here", () => {
    const position = new StreamPosition("active", undefined);
    position.welcome(welcome({ resumed: "snapshot", head: 5 }));
    expect(position.events(frame(5, 6)).ok).toBe(false);
    expect(position.hello).toEqual({ from: "active" });
    expect(position.snapshot({ type: "snapshot", at: 5, runs: [] })).toEqual({ ok: true, value: undefined });
    expect(offsets(position.events(frame(5, 6)))).toEqual([6]);
  });

  it("goes on at its cursor when it is replayed", () => {
    const position = new StreamPosition("active", at(4));
    expect(position.hello).toEqual({ cursor: at(4) });
    position.welcome(welcome({ resumed: "replayed", head: 9 }));
    expect(position.events(frame(5, 6)).ok).toBe(false);
    expect(offsets(position.events(frame(4, 6)))).toEqual([5, 6]);
  });

  it("refuses an answer that does not fit what it asked", () => {
    const epochChanged = new StreamPosition("active", at(4));
    expect(epochChanged.welcome(welcome({ resumed: "replayed", epoch: epochB })).ok).toBe(false);
    expect(new StreamPosition("active", undefined).welcome(welcome({ resumed: "replayed" })).ok).toBe(false);
    expect(new StreamPosition("active", at(4)).welcome(welcome({ resumed: "fresh" })).ok).toBe(false);
    expect(epochChanged.hello).toEqual({ cursor: at(4) });
  });

  it("goes on after a declared gap, and takes no gap that begins beyond its place", () => {
    const position = new StreamPosition("active", at(2));
    position.welcome(welcome({ resumed: "gap", head: 9 }));
    expect(position.gap(gap(4, 6, "retention")).ok).toBe(false);
    const taken = position.gap(gap(3, 6, "retention"));
    expect(taken.ok && taken.value?.reset).toBe(false);
    expect(position.cursor).toEqual(at(6));
    expect(offsets(position.events(frame(6, 8)))).toEqual([7, 8]);
  });

  it("says nothing of a gap that it is past already", () => {
    const position = new StreamPosition("active", at(6));
    position.welcome(welcome({ resumed: "gap", head: 9 }));
    expect(position.gap(gap(1, 4, "retention"))).toEqual({ ok: true, value: undefined });
    expect(offsets(position.events(frame(6, 7)))).toEqual([7]);
  });

  it.each([
    ["epoch", epochB],
    ["ahead", epochA],
  ] as const)("resets on a gap of reason %s, and keeps the old cursor until the snapshot is here", (reason, epoch) => {
    const position = new StreamPosition("active", at(8));
    position.welcome(welcome({ resumed: "gap", head: 3, epoch }));
    const taken = position.gap(gap(1, 3, reason));
    expect(taken.ok && taken.value?.reset).toBe(true);
    expect(position.hello).toEqual({ cursor: at(8) });
    expect(position.snapshot({ type: "snapshot", at: 3, runs: [] })).toEqual({ ok: true, value: undefined });
    expect(position.cursor).toEqual(at(3, epoch));
  });

  it("declares what a snapshot jumps over, so that no hole is silent (L4)", () => {
    const position = new StreamPosition("active", at(2));
    position.welcome(welcome({ resumed: "snapshot", head: 6 }));
    expect(position.snapshot({ type: "snapshot", at: 6, runs: [] })).toEqual({
      ok: true,
      value: { type: "gap", from: 3, upto: 6, reason: "snapshot" },
    });
  });
});
