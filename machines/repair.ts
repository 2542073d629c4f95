/**
 * The steps that a runner left out: what must be written before an illegal event so that it becomes legal
 * (`onIllegal: "repair"`), and what a terminal must close first. The runtime writes them marked `repaired`.
 *
 * Every answer was tried on the run machine, so a repaired run is a legal run (L1). Pure.
 */
import { transition } from "xstate";
import { isLiving, openCalls } from "./legality.ts";
import { callOf, type RunFact, runMachine, type RunSnapshot } from "./run.ts";

type LoggedFact = Extract<RunFact, { readonly data: unknown }>;
export type RepairStep = LoggedFact & { readonly repaired: true };
type Fact<Type extends LoggedFact["type"]> = Extract<LoggedFact, { readonly type: Type }>;

/** The name of a tool whose runner never said it. */
export const unknownTool = "unknown";

const resumed: RepairStep = { type: "agent_resumed", data: {}, repaired: true };
const thinking: RepairStep = { type: "agent_thinking", data: {}, repaired: true };

const cancelled = (toolCallId: string): RepairStep => ({
  type: "tool_completed",
  data: { toolCallId, status: "cancelled" },
  repaired: true,
});

/** The `tool_completed` events that a terminal must be preceded by: each open call ends as cancelled. */
export function closingEvents(snapshot: RunSnapshot): readonly RepairStep[] {
  return openCalls(snapshot).map(({ toolCallId }) => cancelled(toolCallId));
}

/** A run that does something has gone on, and a strict one has thought before. */
function awake(snapshot: RunSnapshot): readonly RepairStep[] {
  const { value, context } = snapshot;
  const steps: RepairStep[] = value === "suspended" ? [resumed] : [];
  const acting = value === "suspended" ? context.before : value;
  if (context.profile === "strict" && acting === "started") steps.push(thinking);
  return steps;
}

function beforeExecuting(snapshot: RunSnapshot, { data }: Fact<"tool_executing">): readonly RepairStep[] {
  const call = callOf(snapshot.context, data.toolCallId);
  // A new attempt began: the one before is over, however it went.
  const over = call?.status === "executing" && (data.attempt ?? 1) > call.attempt;
  return over ? [...awake(snapshot), cancelled(data.toolCallId)] : awake(snapshot);
}

function beforeCompleting(snapshot: RunSnapshot, { data }: Fact<"tool_completed">): readonly RepairStep[] {
  const { toolCallId, status } = data;
  const { context, value } = snapshot;
  const named = data["toolName"];
  const toolName = callOf(context, toolCallId)?.toolName ?? (typeof named === "string" ? named : unknownTool);
  const neverRan = status === "denied" || status === "cancelled";
  if (context.profile === "standard" && (neverRan || value === "suspended"))
    return [{ type: "tool_proposed", data: { toolCallId, toolName }, repaired: true }];
  return [...awake(snapshot), { type: "tool_executing", data: { toolCallId, toolName }, repaired: true }];
}

function stepsBefore(snapshot: RunSnapshot, event: RunFact): readonly RepairStep[] {
  switch (event.type) {
    case "agent_thinking":
    case "agent_suspended":
      return snapshot.value === "suspended" ? [resumed] : [];
    case "tool_executing":
      return beforeExecuting(snapshot, event);
    case "tool_completed":
      return beforeCompleting(snapshot, event);
    case "agent_completed":
      return [...awake(snapshot), ...closingEvents(snapshot)];
    default:
      return [];
  }
}

/**
 * The steps to write before `event` so that the run machine takes it; none when it takes it as it is.
 *
 * Undefined when nothing heals it: after a terminal, a second completion, an answer to an approval that is
 * closed, a parent that would end before its child.
 */
export function repairSteps(snapshot: RunSnapshot, event: RunFact): readonly RepairStep[] | undefined {
  if (snapshot.can(event)) return [];
  if (!isLiving(snapshot)) return undefined;
  const steps = stepsBefore(snapshot, event);
  let at = snapshot;
  for (const step of [...steps, event]) {
    const [next] = transition(runMachine, at, step);
    if (next === at) return undefined;
    at = next;
  }
  return steps;
}
