import * as fc from "fast-check";
import { createActor, transition } from "xstate";
import { describe, expect, it } from "vitest";
import { isRunFact, isTerminal } from "../../machines/legality.ts";
import { closingEvents, repairSteps } from "../../machines/repair.ts";
import { type RunFact, type RunProfile, runMachine, type RunSnapshot } from "../../machines/run.ts";
import { anyEvent, legalLog } from "./legal-log.ts";

const started: RunFact = { type: "agent_started", data: { agent: "a" } };
const thinking: RunFact = { type: "agent_thinking", data: {} };
const proposed: RunFact = { type: "tool_proposed", data: { toolCallId: "c", toolName: "search" } };
const executing: RunFact = { type: "tool_executing", data: { toolCallId: "c", toolName: "search" } };
const suspended: RunFact = { type: "agent_suspended", data: { reason: "asks" } };
const completes: RunFact = { type: "agent_completed", data: {} };
const completed = (status: "ok" | "denied", toolCallId = "c"): RunFact => ({
  type: "tool_completed",
  data: { toolCallId, status },
});

function after(profile: RunProfile, ...facts: readonly RunFact[]): RunSnapshot {
  const run = createActor(runMachine, { input: { profile } }).start();
  for (const fact of [started, ...facts]) run.send(fact);
  return run.getSnapshot();
}
const told = (snapshot: RunSnapshot, steps: readonly RunFact[]): RunSnapshot =>
  steps.reduce((at, step) => transition(runMachine, at, step)[0], snapshot);
const types = (steps: readonly RunFact[] | undefined) => steps?.map(({ type }) => type);

describe("repair", () => {
  it("writes the execution that a completion lacks, with the name that it knows", () => {
    const steps = repairSteps(after("standard", thinking), completed("ok"));
    expect(steps).toEqual([{ type: "tool_executing", data: { toolCallId: "c", toolName: "unknown" }, repaired: true }]);
    const named = { type: "tool_completed", data: { toolCallId: "c", status: "ok", toolName: "search" } } as const;
    expect(repairSteps(after("standard"), named)).toMatchObject([{ data: { toolName: "search" } }]);
    expect(repairSteps(after("strict", thinking, proposed), completed("ok"))).toMatchObject([
      { type: "tool_executing", data: { toolName: "search" } },
    ]);
  });

  it("does not say that a denied call ran, nor that a suspended run went on", () => {
    expect(types(repairSteps(after("standard"), completed("denied")))).toEqual(["tool_proposed"]);
    expect(types(repairSteps(after("standard", suspended), completed("ok")))).toEqual(["tool_proposed"]);
  });

  it("lets a strict run think before it acts", () => {
    expect(types(repairSteps(after("strict"), executing))).toEqual(["agent_thinking"]);
    expect(types(repairSteps(after("strict"), completed("ok")))).toEqual(["agent_thinking", "tool_executing"]);
    expect(types(repairSteps(after("strict"), completes))).toEqual(["agent_thinking"]);
  });

  it("asks nothing of a strict run that thought before it was suspended, and a thought of one that did not", () => {
    expect(types(repairSteps(after("strict", thinking, suspended), executing))).toEqual(["agent_resumed"]);
    expect(types(repairSteps(after("strict", suspended), executing))).toEqual(["agent_resumed", "agent_thinking"]);
    expect(types(repairSteps(after("strict", suspended), completed("denied")))).toEqual([
      "agent_resumed",
      "agent_thinking",
      "tool_executing",
    ]);
  });

  it("proposes a call that was cancelled before anybody heard of it", () => {
    const cancelled: RunFact = { type: "tool_completed", data: { toolCallId: "c", status: "cancelled" } };
    expect(types(repairSteps(after("standard", thinking), cancelled))).toEqual(["tool_proposed"]);
  });

  it("ends an attempt for a later one only, not for the same told again while the run is suspended", () => {
    const again = (attempt: number): RunFact => ({
      type: "tool_executing",
      data: { toolCallId: "c", toolName: "search", attempt },
    });
    const waiting = after("standard", again(2), suspended);
    expect(types(repairSteps(waiting, again(3)))).toEqual(["agent_resumed", "tool_completed"]);
    expect(repairSteps(waiting, again(2))).toBeUndefined();
    expect(repairSteps(waiting, again(1))).toBeUndefined();
  });

  it("closes what executes before the run completes", () => {
    expect(repairSteps(after("standard", executing), completes)).toEqual([
      { type: "tool_completed", data: { toolCallId: "c", status: "cancelled" }, repaired: true },
    ]);
  });

  it("resumes a suspended run that goes on", () => {
    for (const event of [thinking, executing, completes, suspended])
      expect(types(repairSteps(after("standard", suspended), event))).toEqual(["agent_resumed"]);
  });

  it("ends an attempt that the next one overtakes", () => {
    const again: RunFact = { type: "tool_executing", data: { toolCallId: "c", toolName: "search", attempt: 2 } };
    expect(types(repairSteps(after("standard", executing), again))).toEqual(["tool_completed"]);
    expect(repairSteps(after("standard", executing), executing)).toBeUndefined();
  });

  it.each<[string, RunSnapshot, RunFact]>([
    ["anything after a terminal", after("standard", completes), thinking],
    ["a second completion", after("standard", executing, completed("ok")), completed("ok")],
    ["a closed call that runs again as the same attempt", after("standard", executing, completed("ok")), executing],
    ["a second start", after("standard"), started],
    ["a resumption of what was never suspended", after("standard"), { type: "agent_resumed", data: {} }],
    [
      "an answer that nobody asked for",
      after("standard", suspended),
      { type: "approval_resolved", data: { approvalId: "p", decision: "deny" } },
    ],
    ["a parent that ends before its child", after("standard", { type: "child.started" }), completes],
  ])("has nothing against %s", (_, snapshot, event) => {
    expect(repairSteps(snapshot, event)).toBeUndefined();
  });

  it("writes steps that are legal, marked as repaired, and make the event legal; or none at all", () => {
    fc.assert(
      fc.property(legalLog, anyEvent, ({ end }, event) => {
        fc.pre(isRunFact(event));
        const fact = event as RunFact;
        const steps = repairSteps(end, fact);
        expect(steps?.length === 0).toBe(end.can(fact));
        let at = end;
        for (const step of steps ?? []) {
          expect(at.can(step)).toBe(true);
          expect(step.repaired).toBe(true);
          at = told(at, [step]);
        }
        expect(at.can(fact)).toBe(steps !== undefined);
      }),
    );
  });
});

describe("closing events", () => {
  it("close every open call, in both profiles, and leave the terminal legal", () => {
    for (const profile of ["standard", "strict"] as const) {
      const snapshot = after(profile, thinking, proposed, { ...executing, data: { toolCallId: "d", toolName: "t" } });
      const closing = closingEvents(snapshot);
      expect(closing.map(({ type, data, repaired }) => [type, data, repaired])).toEqual([
        ["tool_completed", { toolCallId: "c", status: "cancelled" }, true],
        ["tool_completed", { toolCallId: "d", status: "cancelled" }, true],
      ]);
      const failed: RunFact = { type: "agent_failed", data: { error: { code: "c", message: "m" } } };
      const end = told(snapshot, [...closing, failed]);
      expect(isTerminal(end)).toBe(true);
      expect(Object.values(end.context.calls).map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
    }
  });

  it("are none for a run that has nothing open", () => {
    expect(closingEvents(after("standard", executing, completed("ok")))).toEqual([]);
  });
});
