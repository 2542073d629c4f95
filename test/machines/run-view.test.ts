import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldRun, foldRunView, markStalled, resumeFold, type RunFold } from "../../machines/run-view.ts";
import type { EventInput, RunEvent } from "../../protocol/event.ts";
import { asRunId } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { legalLog } from "./legal-log.ts";

const foldAll = (events: readonly RunEvent[], from?: RunFold): RunFold | undefined =>
  events.reduce<RunFold | undefined>(foldRun, from);
const overTheWire = (view: RunView): RunView => JSON.parse(JSON.stringify(view)) as RunView;

/** A log of those events, from `seq` on. */
const log = (inputs: readonly EventInput[], from = 1): RunEvent[] =>
  inputs.map((input, at) => {
    const seq = from + at;
    return { ...input, id: `e${seq}`, runId: asRunId("r"), seq, offset: seq, time: "2026-01-01T00:00:00Z" } as RunEvent;
  });
const viewOf = (...inputs: readonly EventInput[]): RunView => {
  const fold = foldAll(log(inputs));
  if (fold === undefined) throw new Error("nothing to fold");
  return fold.view;
};

const started: EventInput = { type: "agent_started", data: { agent: "a", input: "question" } };
const thinking: EventInput = { type: "agent_thinking", data: { thought: "hm" } };
const executing: EventInput = { type: "tool_executing", data: { toolCallId: "c", toolName: "t", args: { n: 1 } } };
const completed: EventInput = { type: "tool_completed", data: { toolCallId: "c", status: "ok", result: 2 } };
const delta = (text: string): EventInput => ({ type: "agent_delta", data: { messageId: "m", channel: "text", text } });

describe("run view", () => {
  it("is the same wherever the client was cut (L9)", () => {
    fc.assert(
      fc.property(legalLog, fc.nat(), ({ events }, cut) => {
        const at = 1 + (cut % events.length);
        const whole = foldAll(events)?.view;
        const prefix = foldAll(events.slice(0, at));
        if (prefix === undefined) throw new Error("nothing to fold");
        const resumed = foldAll(events.slice(at), resumeFold(overTheWire(prefix.view)));
        expect(JSON.stringify(resumed?.view)).toBeDefined();
        expect(resumed?.view).toStrictEqual(whole);
      }),
    );
  });

  it("is the same event by event with nothing but the view kept", () => {
    fc.assert(
      fc.property(legalLog, ({ events }) => {
        const view = events.reduce<RunView | undefined>(
          (old, event) => foldRunView(old && overTheWire(old), event),
          undefined,
        );
        expect(view).toStrictEqual(foldAll(events)?.view);
      }),
      { numRuns: 30 },
    );
  });

  it("has the state, the calls and the approvals of the run machine, in both profiles", () => {
    fc.assert(
      fc.property(legalLog, ({ events, end }) => {
        const view = foldAll(events)?.view;
        expect(view?.state).toBe(end.value);
        expect(view?.cancelling ?? false).toBe(end.context.cancel);
        expect(view?.tools.map(({ toolCallId, status, attempt }) => [toolCallId, status, attempt])).toEqual(
          view?.tools.map(({ toolCallId }) => {
            const call = Object.entries(end.context.calls).find(([id]) => id === toolCallId)?.[1];
            return [toolCallId, call?.status, call?.attempt];
          }),
        );
        expect(view?.tools.length).toBe(Object.keys(end.context.calls).length);
        const answers = view?.approvals.map((asked) => [asked.approvalId, asked.decision ?? "open"] as const) ?? [];
        expect(Object.fromEntries(answers)).toEqual(end.context.approvals);
      }),
    );
  });

  it("drops what it has folded already (L5)", () => {
    fc.assert(
      fc.property(legalLog, ({ events }) => {
        const fold = foldAll(events);
        expect(foldAll(events, fold)).toBe(fold);
      }),
      { numRuns: 30 },
    );
  });

  it("joins deltas by message and channel, and takes a whole message in their place", () => {
    const other: EventInput = { type: "agent_delta", data: { messageId: "m", channel: "reasoning", text: "why" } };
    const texts = (view: RunView) => view.messages.map(({ channel, text }) => [channel, text]);
    expect(texts(viewOf(started, delta("he"), other, delta("llo")))).toEqual([
      ["text", "hello"],
      ["reasoning", "why"],
    ]);
    const whole: EventInput = { type: "agent_message", data: { messageId: "m", text: "hello!" } };
    expect(texts(viewOf(started, delta("he"), whole))).toEqual([["text", "hello!"]]);
    expect(viewOf(started, whole).messages).toEqual([
      { messageId: "m", role: "assistant", channel: "text", text: "hello!" },
    ]);
  });

  it("shows a thought while the run thinks", () => {
    expect(viewOf(started, thinking).thought).toBe("hm");
    expect(viewOf(started, thinking, delta("x")).thought).toBe("hm");
    expect(viewOf(started, thinking, executing)).not.toHaveProperty("thought");
    expect(viewOf(started, thinking, { type: "agent_completed", data: {} })).not.toHaveProperty("thought");
    expect(viewOf(started, thinking, { type: "agent_thinking", data: {} })).not.toHaveProperty("thought");
  });

  it("keeps a call's arguments, progress, result and attempts", () => {
    const progress: EventInput = { type: "tool_progress", data: { toolCallId: "c", percent: 50 } };
    expect(viewOf(started, executing, progress, completed).tools).toEqual([
      {
        toolCallId: "c",
        toolName: "t",
        status: "ok",
        attempt: 1,
        args: { n: 1 },
        progress: { percent: 50 },
        result: 2,
      },
    ]);
    const again: EventInput = { type: "tool_executing", data: { toolCallId: "c", toolName: "t", attempt: 2 } };
    expect(viewOf(started, executing, completed, again).tools).toEqual([
      { toolCallId: "c", toolName: "t", status: "executing", attempt: 2, args: { n: 1 } },
    ]);
  });

  it("learns the arguments of a call whose proposal came after it ran", () => {
    const late: EventInput = { type: "tool_proposed", data: { toolCallId: "c", toolName: "t", args: { n: 7 } } };
    const bare: EventInput = { type: "tool_executing", data: { toolCallId: "c", toolName: "t" } };
    expect(viewOf(started, bare, late).tools).toEqual([
      { toolCallId: "c", toolName: "t", status: "executing", attempt: 1, args: { n: 7 } },
    ]);
  });

  it("says why it waits, for whom, and goes on without a trace of it", () => {
    const suspended: EventInput = {
      type: "agent_suspended",
      data: { reason: "approval", approvals: [{ approvalId: "p", prompt: "may I?" }] },
    };
    const waits = viewOf(started, executing, suspended);
    expect(waits).toMatchObject({ state: "suspended", before: "toolExecuting", reason: "approval" });
    expect(waits.approvals).toEqual([{ approvalId: "p", prompt: "may I?" }]);
    const goesOn = viewOf(started, executing, suspended, { type: "agent_resumed", data: {} });
    expect(goesOn.state).toBe("toolExecuting");
    expect(goesOn).not.toHaveProperty("reason");
    expect(goesOn).not.toHaveProperty("before");
  });

  it("tells how it ended", () => {
    expect(viewOf(started, { type: "agent_completed", data: { output: "done", usage: { tokens: 3 } } })).toMatchObject({
      state: "completed",
      endedBy: "agent_completed",
      output: "done",
      usage: { tokens: 3 },
    });
    expect(viewOf(started, { type: "agent_failed", data: { error: { code: "c", message: "m" } } })).toMatchObject({
      state: "failed",
      error: { code: "c", message: "m" },
    });
    expect(viewOf(started, { type: "agent_cancelled", data: { reason: "by hand" } }).reason).toBe("by hand");
    expect(viewOf(started, { type: "agent_interrupted", data: { reason: "deadline" } }).reason).toBe("deadline");
  });

  it("shows nothing that comes after a terminal (L2)", () => {
    const over = viewOf(started, { type: "agent_completed", data: {} });
    const late = viewOf(started, { type: "agent_completed", data: {} }, delta("late"), thinking, completed);
    expect(late).toEqual({ ...over, seq: 5, offset: 5 });
  });

  it("names the agent that a handoff went to", () => {
    expect(viewOf(started, { type: "agent_handoff", data: { from: "a", to: "b" } }).agent).toBe("b");
  });

  it("marks a run as cancelling until it answers or ends", () => {
    const asked: EventInput = { type: "cancel_requested", data: {} };
    expect(viewOf(started, asked).cancelling).toBe(true);
    expect(viewOf(started, asked, { type: "cancel_refused", data: {} })).not.toHaveProperty("cancelling");
    expect(viewOf(started, asked, { type: "agent_cancelled", data: {} })).not.toHaveProperty("cancelling");
  });

  it("can be marked as stalled beside the stream, until it ends", () => {
    const fold = markStalled(resumeFold(viewOf(started)), true);
    expect(fold.view.stalled).toBe(true);
    expect(markStalled(fold, false).view).toEqual(viewOf(started));
    const ended = foldAll(log([{ type: "agent_interrupted", data: { reason: "lease_expired" } }], 2), fold);
    expect(ended?.view).not.toHaveProperty("stalled");
  });

  it("makes sense of a run that it meets in the middle, or after a gap", () => {
    expect(viewOf(thinking).state).toBe("thinking");
    expect(viewOf(completed)).toMatchObject({ agent: "unknown", state: "toolCompleted" });
    const afterGap = foldAll(log([{ type: "agent_completed", data: {} }], 9), resumeFold(viewOf(started, executing)));
    expect(afterGap?.view.state).toBe("completed");
    expect(afterGap?.view.tools.map(({ status }) => status)).toEqual(["cancelled"]);
  });

  it("shares what an event did not change, so that a page draws only what is new", () => {
    const before = foldAll(log([started, executing, delta("a")]));
    const after = foldAll(log([delta("b")], 4), before);
    expect(after?.view).not.toBe(before?.view);
    expect(after?.view.tools).toBe(before?.view.tools);
    expect(after?.view.approvals).toBe(before?.view.approvals);
    expect(after?.snapshot).toBe(before?.snapshot);
    expect(before?.view.messages[0]?.text).toBe("a");
  });
});
