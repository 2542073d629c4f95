import { describe, expect, it } from "vitest";
import { asRunId } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import type { StoredEvent } from "../../src/log/event-log.ts";
import { eventText, inFrames, maxFrame, mergeDeltas } from "../../src/runtime/frames.ts";

const event = (offset: number, type: string, data: object, runId = "r1"): StoredEvent => ({
  id: `e${offset}`,
  type,
  time: "2026-01-01T00:00:00.000Z",
  data: JSON.stringify(data),
  offset,
  runId: asRunId(runId),
  seq: offset,
});
const text = (offset: number, words: string, messageId = "m", runId = "r1") =>
  event(offset, "agent_delta", { messageId, channel: "text", text: words }, runId);
const shown = (events: readonly StoredEvent[]) =>
  events.map(({ offset, data }) => [offset, (parseTrusted(data) as { text?: string }).text]);

describe("merging deltas", () => {
  it("joins the neighbours of one message under the last offset", () => {
    expect(shown(mergeDeltas([text(1, "a"), text(2, "b"), text(3, "c")]))).toEqual([[3, "abc"]]);
  });

  it("joins nothing across another event, whose offset a reader may come back with (L9)", () => {
    expect(shown(mergeDeltas([text(1, "a"), event(2, "x.note", {}), text(3, "b")]))).toEqual([
      [1, "a"],
      [2, undefined],
      [3, "b"],
    ]);
    expect(shown(mergeDeltas([text(1, "a"), text(2, "b", "m", "r2"), text(3, "c")]))).toEqual([
      [1, "a"],
      [2, "b"],
      [3, "c"],
    ]);
  });

  it("joins neither messages nor channels nor what says more than text", () => {
    const reasoning = event(2, "agent_delta", { messageId: "m", channel: "reasoning", text: "b" });
    const more = event(3, "agent_delta", { messageId: "m", channel: "reasoning", text: "c", index: 1 });
    const events = [text(1, "a"), reasoning, more, text(4, "d"), text(5, "e", "n")];
    expect(mergeDeltas(events)).toEqual(events);
  });

  it("leaves everything else as it is", () => {
    const events = [
      event(1, "agent_started", { agent: "a" }),
      event(2, "x.note", { text: "a" }),
      event(3, "x.note", { text: "b" }),
    ];
    expect(mergeDeltas(events)).toEqual(events);
    expect(mergeDeltas([])).toEqual([]);
  });
});

describe("an event's text", () => {
  it("is JSON whatever its names hold", () => {
    const odd = {
      ...event(1, "x.note", { a: 1 }),
      threadId: 'a"b\\\u2028',
      traceparent: 'x","data":{"evil":1},"y":"',
      repaired: true,
    };
    expect(parseTrusted(eventText(odd))).toEqual({
      id: "e1",
      type: "x.note",
      runId: "r1",
      seq: 1,
      offset: 1,
      threadId: odd.threadId,
      time: odd.time,
      data: { a: 1 },
      repaired: true,
      traceparent: odd.traceparent,
    });
  });
});

describe("a page of events", () => {
  it("leaves in frames that hold all of it in order, none above the limits unless it is one event", () => {
    const large = "x".repeat(maxFrame.maxBytes);
    const events = Array.from({ length: 700 }, (_, at) => text(at + 1, at % 100 === 50 ? large : "y".repeat(at)));
    const parts = inFrames(events);
    expect(parts.flat()).toEqual(events);
    for (const part of parts) {
      const bytes = part.reduce((sum, { data }) => sum + data.length, 0);
      expect(part.length).toBeLessThanOrEqual(maxFrame.maxEvents);
      expect(part.length === 1 || bytes <= maxFrame.maxBytes).toBe(true);
    }
    // No more of them than it takes.
    for (const [at, part] of parts.entries()) {
      const [next] = parts[at + 1] ?? [];
      const bytes = [...part, ...(next ? [next] : [])].reduce((sum, { data }) => sum + data.length, 0);
      expect(next === undefined || part.length === maxFrame.maxEvents || bytes > maxFrame.maxBytes).toBe(true);
    }
    expect(inFrames([])).toEqual([]);
  });
});
