import { describe, expect, it } from "vitest";
import { asRunId, type RunId } from "../../protocol/ids.ts";
import type { StoredEvent } from "../../src/log/event-log.ts";
import { bareDelta, isSameText } from "../../src/log/delta.ts";
import { run1, run2, time } from "../../src/testing/event-log/sample.ts";

const delta = (data: object, type = "agent_delta", runId: RunId = run1): StoredEvent => ({
  ...{ id: "id", type, time, data: JSON.stringify(data), offset: 1, runId },
});
const said = { messageId: "m1", channel: "text", text: "hello" };

describe("a bare delta", () => {
  it("says its message, channel and text, and nothing else", () => {
    expect(bareDelta(delta(said))).toEqual(said);
    expect(bareDelta(delta({ ...said, more: 1 }))).toBeUndefined();
    expect(bareDelta(delta({ messageId: "m1", channel: "text", tokens: 3 }))).toBeUndefined();
    expect(bareDelta(delta({ messageId: "m1", channel: "text" }))).toBeUndefined();
  });

  it("is no event of another type, whatever that one says", () => {
    expect(bareDelta(delta(said, "x.delta"))).toBeUndefined();
  });

  it("goes on where another of its run, message and channel stopped, and nowhere else", () => {
    const goesOn = (runId: RunId, other: object) =>
      isSameText(delta(said), delta(other, "agent_delta", runId), said, { ...said, ...other });
    expect(goesOn(asRunId("run-1"), said)).toBe(true);
    expect(goesOn(run2, said)).toBe(false);
    expect(goesOn(run1, { ...said, messageId: "m2" })).toBe(false);
    expect(goesOn(run1, { ...said, channel: "reasoning" })).toBe(false);
    expect(goesOn(run2, { ...said, messageId: "m2", channel: "reasoning" })).toBe(false);
  });
});
