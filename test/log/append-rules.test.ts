import { describe, expect, it } from "vitest";
import type { Append } from "../../src/log/event-log.ts";
import { assertAppend } from "../../src/log/append-rules.ts";
import { alice, bob, event, keyed, newRun, next, notice, run2, started } from "../../src/testing/event-log/sample.ts";
import { asTenantId } from "../../protocol/ids.ts";

const creating = (more: Partial<NonNullable<Append["run"]>["create"]>, expectedSeq = 0): Append => {
  const { stream, events, run } = started(newRun());
  if (run?.create === undefined) throw new Error("no creation");
  return { stream, events, run: { ...run, expectedSeq, create: { ...run.create, ...more } } };
};

describe("assertAppend", () => {
  it.each<[string, Append, string]>([
    ["without an event", { stream: alice, events: [] }, "at least one event"],
    ["that makes a run in another stream", creating({ stream: bob }), "in the stream and under the ids"],
    ["that makes a run under another id", creating({ runId: run2 }), "in the stream and under the ids"],
    [
      "that makes a run of another tenant",
      creating({ tenantId: asTenantId("other") }),
      "in the stream and under the ids",
    ],
    ["that makes a run which has a seq already", creating({}, 1), "expectedSeq 0"],
    ["whose text has no UTF-8 form", next(1, [event("a", { data: '"\ud800"' })]), "lone surrogate"],
    ["with one key twice", next(1, [keyed("k"), event("between"), keyed("k")]), "a key stands once"],
  ])("throws a TypeError for an append %s, and says what is wrong", (_, append, why) => {
    expect(() => assertAppend(append)).toThrow(TypeError);
    expect(() => assertAppend(append)).toThrow(why);
  });

  it("takes notices, new runs, next batches and different keys", () => {
    for (const append of [notice(alice, "a"), started(newRun()), next(3, [keyed("k"), event("b"), keyed("l")])])
      expect(() => assertAppend(append)).not.toThrow();
  });
});
