import { describe, expect, it } from "vitest";
import type { EventType, RunEvent } from "../../protocol/event.ts";
import { asRunId } from "../../protocol/ids.ts";
import { emptyTimeline, foldEvent, promptOf } from "../../src/console/timeline.ts";

const startMs = Date.parse("2026-01-01T00:00:00.000Z");

type Said = readonly [type: EventType, data: object];

/** One event per line, 100 ms apart. */
function events(...said: readonly Said[]): RunEvent[] {
  return said.map(
    ([type, data], index) =>
      ({
        id: `e${index + 1}`,
        type,
        runId: asRunId("r"),
        seq: index + 1,
        offset: index + 1,
        time: new Date(startMs + index * 100).toISOString(),
        data,
      }) as RunEvent,
  );
}
const stepsOf = (...said: readonly Said[]) => events(...said).reduce(foldEvent, emptyTimeline).steps;
const delta = (messageId: string, channel: string, text: string) =>
  ["agent_delta", { messageId, channel, text }] as const;

describe("timeline", () => {
  it("shows the five core events in order, a call as one step", () => {
    const steps = stepsOf(
      ["agent_started", { agent: "guide", input: { text: "2+2?" } }],
      ["agent_thinking", { thought: "add" }],
      ["tool_executing", { toolCallId: "c", toolName: "calculator", args: { expression: "2+2" } }],
      ["tool_completed", { toolCallId: "c", status: "ok", result: 4 }],
      ["agent_completed", {}],
    );
    expect(steps.map(({ kind }) => kind)).toEqual(["started", "thinking", "tool", "end"]);
    expect(steps[0]).toMatchObject({ prompt: "2+2?" });
    expect(steps[2]).toMatchObject({ status: "ok", args: { expression: "2+2" }, result: 4, durationMs: 100 });
  });

  it("joins the deltas of a message, and knows when it has ended", () => {
    const said = [
      ["agent_started", { agent: "a" }],
      ["agent_thinking", {}],
      delta("m", "reasoning", "hm "),
      delta("m", "reasoning", "so"),
      delta("m", "text", "It "),
      delta("m", "text", "is 4"),
    ] as const;
    const open = stepsOf(...said);
    expect(open[1]).toMatchObject({ kind: "thinking", text: "hm so" });
    expect(open[2]).toMatchObject({ kind: "answer", text: "It is 4", open: true });
    const closed = stepsOf(...said, ["agent_message", { messageId: "m", text: "It is 4." }]);
    expect(closed[2]).toMatchObject({ text: "It is 4.", open: false });
    expect(stepsOf(...said, ["agent_completed", {}])[2]).toMatchObject({ open: false });
  });

  it("keeps parallel calls apart, in whatever order they end", () => {
    const steps = stepsOf(
      ["agent_started", { agent: "a" }],
      ["tool_executing", { toolCallId: "1", toolName: "slow" }],
      ["tool_executing", { toolCallId: "2", toolName: "fast" }],
      ["tool_completed", { toolCallId: "2", status: "ok", result: "f" }],
      ["tool_completed", { toolCallId: "1", status: "error", error: "boom", durationMs: 7 }],
    );
    expect(steps.slice(1)).toMatchObject([
      { toolName: "slow", status: "error", error: "boom", durationMs: 7 },
      { toolName: "fast", status: "ok", result: "f", durationMs: 100 },
    ]);
  });

  it("makes one step of a call that is proposed, denied or run again", () => {
    const proposal = ["tool_proposed", { toolCallId: "1", toolName: "t", args: { a: 1 } }] as const;
    expect(stepsOf(proposal, ["tool_completed", { toolCallId: "1", status: "denied" }])).toMatchObject([
      { status: "denied", args: { a: 1 } },
    ]);
    expect(stepsOf(["tool_executing", { toolCallId: "1", toolName: "t" }], proposal)).toMatchObject([
      { status: "executing" },
    ]);
    const again = stepsOf(
      proposal,
      ["tool_executing", { toolCallId: "1", toolName: "t" }],
      ["tool_completed", { toolCallId: "1", status: "error" }],
      ["tool_executing", { toolCallId: "1", toolName: "t", attempt: 2 }],
      ["tool_completed", { toolCallId: "1", status: "ok" }],
    );
    expect(again).toMatchObject([
      { attempt: 1, status: "error" },
      { attempt: 2, status: "ok" },
    ]);
  });

  it.each([
    ["agent_failed", { error: { code: "x", message: "model down" } }, "Failed: model down"],
    ["agent_cancelled", { by: "alice" }, "Cancelled by alice"],
    ["agent_interrupted", { reason: "lease_expired" }, "Interrupted: its runner fell silent"],
  ] as const)("says how %s ended it", (type, data, text) => {
    expect(stepsOf(["agent_started", { agent: "a" }], [type, data]).at(-1)).toMatchObject({ kind: "end", type, text });
  });

  it("notes suspension, its answer, and a stop that was refused", () => {
    const steps = stepsOf(
      ["agent_suspended", { reason: "approval", approvals: [{ approvalId: "p" }] }],
      ["approval_resolved", { approvalId: "p", decision: "deny", by: "alice" }],
      ["agent_resumed", {}],
      ["cancel_requested", { by: "alice" }],
      ["cancel_refused", { reason: "too late" }],
    );
    expect(steps.map((step) => ("text" in step ? step.text : ""))).toEqual([
      "Waits for an approval",
      "Denied by alice",
      "Goes on",
      "Stop requested by alice",
      "Stop refused: too late",
    ]);
  });

  it("blames nobody for an approval that expired", () => {
    const [step] = stepsOf(["approval_resolved", { approvalId: "p", decision: "deny", by: "expiry" }]);
    expect(step).toMatchObject({ text: "Denied: nobody answered in time" });
  });

  it("changes nothing for an event that came before (L5)", () => {
    const all = events(["agent_started", { agent: "a" }], delta("m", "text", "x"));
    const once = all.reduce(foldEvent, emptyTimeline);
    expect(all.reduce(foldEvent, once)).toBe(once);
  });

  it("marks what the server wrote for the runner", () => {
    const [event] = events(["agent_thinking", {}]);
    expect(event && foldEvent(emptyTimeline, { ...event, repaired: true } as RunEvent).steps[0]).toMatchObject({
      repaired: true,
    });
  });

  it("finds the words of a person in the run's input", () => {
    expect(promptOf({ text: "hi" })).toBe("hi");
    expect(promptOf("hi")).toBe("hi");
    expect(promptOf({ text: 4 })).toBeUndefined();
    expect(promptOf(null)).toBeUndefined();
  });
});
