import { createActor } from "xstate";
import { describe, expect, it } from "vitest";
import { isTerminal, legalTypes, runStateOf, whyIllegal } from "../../machines/legality.ts";
import { type RunFact, runMachine, type RunProfile } from "../../machines/run.ts";

type Words = Parameters<typeof whyIllegal>[1];

const started: RunFact = { type: "agent_started", data: { agent: "a" } };
const thinking: RunFact = { type: "agent_thinking", data: {} };
const completes: RunFact = { type: "agent_completed", data: {} };
const resumed: RunFact = { type: "agent_resumed", data: {} };
const asked: RunFact = { type: "cancel_requested", data: {} };
const child: RunFact = { type: "child.started" };
const suspended: RunFact = { type: "agent_suspended", data: { reason: "asks", approvals: [{ approvalId: "p" }] } };
const answered: RunFact = { type: "approval_resolved", data: { approvalId: "p", decision: "approve" } };
const executing = (attempt = 1): RunFact => ({
  type: "tool_executing",
  data: { toolCallId: "c", toolName: "t", attempt },
});
const closed = (toolCallId = "c"): RunFact => ({ type: "tool_completed", data: { toolCallId, status: "ok" } });
const proposed: RunFact = { type: "tool_proposed", data: { toolCallId: "c", toolName: "t" } };

const after = (profile: RunProfile, ...facts: readonly RunFact[]) => {
  const run = createActor(runMachine, { input: { profile } }).start();
  for (const fact of facts) run.send(fact);
  return run.getSnapshot();
};
const standard = (...facts: readonly RunFact[]) => after("standard", started, ...facts);
const strict = (...facts: readonly RunFact[]) => after("strict", started, ...facts);

describe("why an event is illegal", () => {
  it.each([
    ["thinking before the start", after("standard"), thinking, "idle: the run has not started"],
    [
      "anything after the end",
      standard(completes),
      thinking,
      "completed: the run is over, and nothing is legal after its terminal",
    ],
    ["a second start", standard(), started, "started: the run has started already"],
    ["the same attempt again", standard(executing()), executing(), "toolExecuting: call c is executing already"],
    [
      "a closed call again",
      standard(executing(2), closed()),
      executing(2),
      "toolCompleted: call c is closed (ok): it may execute again only with an attempt above 2",
    ],
    [
      "a call while it waits",
      standard(proposed, suspended),
      executing(),
      "suspended: the run is suspended: resume it first",
    ],
    ["a call without a thought", strict(), executing(), "started: a strict run thinks before it executes a tool"],
    [
      "a proposed call without a thought",
      strict(proposed),
      executing(),
      "started: a strict run thinks before it executes a tool",
    ],
    ["an unknown call's end", standard(), closed("d"), "started: call d was never announced"],
    [
      "the end of a call that never ran",
      strict(thinking, proposed),
      closed(),
      "thinking: call c never executed, and the run is strict",
    ],
    ["a call's second end", standard(executing(), closed()), closed(), "toolCompleted: call c is closed already (ok)"],
    ["its end while it waits", standard(suspended), completes, "suspended: the run is suspended: resume it first"],
    ["its end while a tool runs", standard(executing()), completes, "toolExecuting: 1 tool call(s) execute"],
    ["its end before its child's", standard(thinking, child), completes, "thinking: 1 child run(s) live"],
    ["its end without a thought", strict(), completes, "started: a strict run thinks before it completes"],
    ["thinking while it waits", standard(suspended), thinking, "suspended: the run is suspended: resume it first"],
    ["a second wait", standard(suspended), suspended, "suspended: the run is suspended: resume it first"],
    ["going on without a wait", standard(), resumed, "started: the run is not suspended"],
    ["an answer without a wait", standard(), answered, "started: the run is not suspended"],
    ["a second answer", standard(suspended, answered), answered, "suspended: approval p is resolved already"],
    [
      "an answer that nobody asked for",
      standard(suspended),
      { type: "approval_resolved", data: { approvalId: "q", decision: "deny" } },
      "suspended: approval q was never asked for",
    ],
    ["a second request to stop", standard(asked), asked, "started: the run is being cancelled already"],
    ["a refusal to stop", standard(), { type: "cancel_refused", data: {} }, "started: nobody asked the run to stop"],
    ["a call without a name", standard(), { type: "tool_completed", data: {} }, "started: call ? was never announced"],
    [
      "what only the server says",
      standard(),
      { type: "agent_interrupted", data: {} },
      "started: the run does not take it now",
    ],
  ])("is said of %s", (_, snapshot, event, words) => {
    expect(whyIllegal(snapshot, event as Words)).toBe(`${event.type} is illegal in ${words}`);
  });
});

describe("the state of a run", () => {
  it("is a terminal one only at the end", () => {
    expect([after("standard"), standard(), standard(suspended), standard(completes)].map(isTerminal)).toEqual([
      false,
      false,
      false,
      true,
    ]);
    expect([after("standard"), standard(completes)].map(runStateOf)).toEqual(["idle", "completed"]);
  });

  it("names the types that are legal whatever calls and approvals there were", () => {
    const own: RunFact = { type: "tool_executing", data: { toolCallId: "new", toolName: "t" } };
    const again: RunFact = { type: "tool_executing", data: { toolCallId: "new+", toolName: "t" } };
    expect(legalTypes(standard(own, again))).toContain("tool_executing");
    const both: RunFact = {
      type: "agent_suspended",
      data: { reason: "r", approvals: [{ approvalId: "p" }, { approvalId: "q" }] },
    };
    expect(legalTypes(standard(both, answered))).toContain("approval_resolved");
    expect(legalTypes(standard(suspended, answered))).not.toContain("approval_resolved");
  });
});
