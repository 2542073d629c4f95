/** What real agents did, recorded: every run is a legal word of the run machine and ends as it truly ended. */
import { createActor } from "xstate";
import { describe, expect, it } from "vitest";
import { isLiving, isRunFact, whyIllegal } from "../../machines/legality.ts";
import { closingEvents } from "../../machines/repair.ts";
import { type RunFact, runMachine } from "../../machines/run.ts";
import { foldRun, type RunFold } from "../../machines/run-view.ts";
import { type EventInput, isTerminalType, type RunEvent } from "../../protocol/event.ts";
import { asRunId } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { aiSdkEvents } from "./ai-sdk-recording.ts";
import { type Recording, recordings, wordOf } from "./recorded-run.ts";

interface Told {
  readonly illegal: readonly string[];
  readonly state: string;
  readonly view: RunView | undefined;
  readonly executions: number;
}

/** Tells the run to the machine as the runtime does: asked first, closed before a terminal, folded after. */
function tell(events: readonly EventInput[]): Told {
  const run = createActor(runMachine, { input: {} }).start();
  const illegal: string[] = [];
  let fold: RunFold | undefined;
  let seq = 0;
  let executions = 0;
  const write = (event: EventInput | RunFact): void => {
    const before = run.getSnapshot();
    if (isRunFact(event)) run.send(event);
    const isLegal = isRunFact(event) ? run.getSnapshot() !== before : isLiving(before);
    if (!("data" in event)) return;
    if (!isLegal) illegal.push(whyIllegal(before, event));
    seq += 1;
    if (event.type === "tool_executing") executions += 1;
    const place = { id: `e${seq}`, runId: asRunId("r"), seq, offset: seq, time: "2026-01-01T00:00:00Z" };
    fold = foldRun(fold, { ...event, ...place } as RunEvent);
  };
  for (const event of events) {
    if (isTerminalType(event.type) && run.getSnapshot().can(event as RunFact))
      for (const closing of closingEvents(run.getSnapshot())) write(closing);
    write(event);
  }
  return { illegal, state: run.getSnapshot().value, view: fold?.view, executions };
}

const started: EventInput = { type: "agent_started", data: { agent: "ai" } };

const eventsOf = (recording: Recording): readonly EventInput[] =>
  recording.runner === "ai" ? [started, ...aiSdkEvents(recording)] : wordOf(recording.runner, recording);

const find = (runner: Recording["runner"], scenario: string): Recording => {
  const found = recordings.find((recording) => recording.runner === runner && recording.scenario === scenario);
  if (found === undefined) throw new Error(`no recording of ${runner}: ${scenario}`);
  return found;
};

describe("run machine and what real agents did", () => {
  it("has recordings of four frameworks", () => {
    expect(recordings.length).toBe(38);
    expect(new Set(recordings.map(({ runner }) => runner)).size).toBe(4);
  });

  it.each(recordings.map((recording) => [`${recording.runner}: ${recording.scenario}`, recording] as const))(
    "takes %s",
    (_, recording) => {
      const { illegal, state, view } = tell(eventsOf(recording));
      expect(illegal).toEqual([]);
      expect(state).toBe(recording.expectedEnd);
      expect(view?.state).toBe(state);
    },
  );

  it("shows every call that the framework named", () => {
    const named = recordings.map((recording) => {
      const calls = recording.signals.filter(({ t }) => t === "tool-call" || t === "tool_called");
      const shown = tell(eventsOf(recording)).view?.tools.map(({ toolCallId }) => toolCallId) ?? [];
      return calls.filter(({ id = "" }) => !shown.includes(id));
    });
    expect(named.flat()).toEqual([]);
  });

  it("leaves no call open in a run that is over", () => {
    const ended = recordings.filter(({ expectedEnd }) => expectedEnd !== "suspended");
    const open = ended
      .flatMap((recording) => tell(eventsOf(recording)).view?.tools ?? [])
      .filter(({ status }) => status === "executing" || status === "proposed");
    expect(ended.length).toBeGreaterThan(0);
    expect(open).toEqual([]);
  });

  it("takes a tool that ran as having run, however often it is told", () => {
    const { executions, view } = tell(
      eventsOf(find("ai", "parallel tools (slow,fast) + reasoning + interleaved text")),
    );
    expect(executions).toBe(2);
    expect(view?.tools.map(({ status }) => status)).toEqual(["ok", "ok"]);
  });

  it("takes a failed, an invalid and a denied call for what they are", () => {
    const statuses = (scenario: string) =>
      Object.fromEntries(
        tell(eventsOf(find("ai", scenario))).view?.tools.map((tool) => [tool.toolCallId, tool.status]) ?? [],
      );
    expect(statuses("tool error")).toEqual({ c1: "error", c2: "ok" });
    expect(statuses("invalid tool input + unknown tool")).toEqual({ c1: "error", c2: "error" });
    expect(statuses("approval")).toEqual({ c1: "proposed", c2: "ok", c3: "denied" });
    expect(statuses("client-side tool (no execute)")).toEqual({ c1: "proposed", c2: "ok" });
  });

  it("closes what an abort left open, before the terminal", () => {
    const { view } = tell(eventsOf(find("langgraph", "abort in tool")));
    expect(view?.tools.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
  });

  it("goes on after an approval, in the same run (OpenAI)", () => {
    const told = tell(wordOf("openai", find("openai", "approval"), find("openai", "approval resumed")));
    expect(told).toMatchObject({ illegal: [], state: "completed", executions: 2 });
    expect(told.view?.approvals).toEqual([{ approvalId: "c1", toolCallId: "c1", decision: "approve" }]);
  });

  it("goes on after an approval, in the same run (Mastra)", () => {
    const told = tell(wordOf("mastra", find("mastra", "approval"), find("mastra", "approval resumed")));
    expect(told).toMatchObject({ illegal: [], state: "completed" });
    expect(told.view?.tools.map(({ status }) => status)).toEqual(["ok", "ok"]);
  });

  it("takes an interrupted node that runs again as the next attempt of its calls (LangGraph)", () => {
    const told = tell(wordOf("langgraph", find("langgraph", "interrupt"), find("langgraph", "resume")));
    expect(told).toMatchObject({ illegal: [], state: "completed", executions: 4 });
    expect(told.view?.tools.map(({ toolName, attempt, status }) => [toolName, attempt, status])).toEqual([
      ["ask", 2, "ok"],
      ["fast", 2, "ok"],
    ]);
  });

  it("takes a denied call of a resumed stream that never announced it (AI SDK)", () => {
    const told = tell([
      started,
      ...aiSdkEvents(find("ai", "approval: first run")),
      { type: "approval_resolved", data: { approvalId: "approval-c1", decision: "deny" } },
      { type: "agent_resumed", data: {} },
      ...aiSdkEvents(find("ai", "approval: resume denied")),
    ]);
    expect(told).toMatchObject({ illegal: [], state: "completed" });
    expect(told.view?.tools.map(({ status }) => status)).toEqual(["denied", "ok"]);
  });

  it("refuses the word that a naive mapping makes: each source signal an event, each finish an end", () => {
    const { illegal, state } = tell([
      started,
      { type: "agent_thinking", data: {} },
      { type: "tool_executing", data: { toolCallId: "c1", toolName: "slow" } },
      { type: "agent_completed", data: {} },
      { type: "tool_completed", data: { toolCallId: "c1", status: "ok" } },
      { type: "tool_completed", data: { toolCallId: "c1", status: "ok" } },
    ]);
    expect(illegal).toEqual([
      "agent_completed is illegal in toolExecuting: 1 tool call(s) execute",
      "tool_completed is illegal in toolCompleted: call c1 is closed already (ok)",
    ]);
    expect(state).toBe("toolCompleted");
  });
});
