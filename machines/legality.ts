/**
 * What may be said about a run now, and why something may not: the answers of a refusal (`legal[]`, `message`).
 * All of it is read off the run machine; there is no second table here. Pure.
 */
import type { EventType, PayloadType } from "../protocol/event.ts";
import type { LivingState, RunState } from "../protocol/run-view.ts";
import { callOf, type CallRecord, type RunContext, type RunFact, type RunFactType, type RunSnapshot } from "./run.ts";

/** The types that the machine hears. A record, so that the compiler asks for a new one. */
const factTypes: Readonly<Record<RunFactType, true>> = {
  agent_started: true,
  agent_thinking: true,
  tool_executing: true,
  tool_completed: true,
  agent_completed: true,
  agent_failed: true,
  agent_cancelled: true,
  agent_interrupted: true,
  agent_suspended: true,
  agent_resumed: true,
  approval_resolved: true,
  cancel_requested: true,
  cancel_refused: true,
  tool_proposed: true,
};

/** What is legal whenever the run lives. */
const payloadTypes: Readonly<Record<Exclude<PayloadType, "tool_proposed">, true>> = {
  agent_delta: true,
  agent_message: true,
  tool_progress: true,
  agent_handoff: true,
  agent_progress: true,
};

/** Stands in `legal[]` for every type of the application's own. */
export const anyExtension = "x.*";

const livingStates: Readonly<Record<LivingState, true>> = {
  started: true,
  thinking: true,
  toolExecuting: true,
  toolCompleted: true,
  suspended: true,
};

export interface OpenCall extends CallRecord {
  readonly toolCallId: string;
  readonly status: "proposed" | "executing";
}

/** Whether the machine must hear events of this type; all others are payload and go past it. */
export function needsMachine(type: string): type is RunFactType {
  return Object.hasOwn(factTypes, type);
}

/** `needsMachine` for a whole event, which it narrows to what the machine takes. */
export function isRunFact<Event extends { readonly type: string }>(event: Event): event is Event & RunFact {
  return needsMachine(event.type);
}

export const runStateOf = (snapshot: RunSnapshot): RunState => snapshot.value;
export const isLivingState = (state: RunState): state is LivingState => Object.hasOwn(livingStates, state);
/** Also: whether a payload event, one that `needsMachine` passes by, is legal now. */
export const isLiving = (snapshot: RunSnapshot): boolean => isLivingState(snapshot.value);
export const isTerminal = (snapshot: RunSnapshot): boolean => snapshot.value !== "idle" && !isLiving(snapshot);

/** The calls that a terminal must close first: those that execute, and those that were proposed and never ran. */
export function openCalls(snapshot: RunSnapshot): readonly OpenCall[] {
  const open: OpenCall[] = [];
  for (const [toolCallId, { toolName, status, attempt }] of Object.entries(snapshot.context.calls))
    if (status === "executing" || status === "proposed") open.push({ toolCallId, toolName, status, attempt });
  return open;
}

/** A call id that the run has not seen. */
function freshCallId(context: RunContext): string {
  let id = "new";
  while (callOf(context, id) !== undefined) id += "+";
  return id;
}

/** For each type, the event that is legal if any of that type is. */
function witnesses(snapshot: RunSnapshot): readonly RunFact[] {
  const { context } = snapshot;
  const open = openCalls(snapshot);
  const completable = open.find(({ status }) => status === "executing") ?? open[0];
  const approvalId = Object.keys(context.approvals).find((id) => context.approvals[id] === "open");
  return [
    { type: "agent_started", data: { agent: "any" } },
    { type: "agent_thinking", data: {} },
    { type: "tool_executing", data: { toolCallId: freshCallId(context), toolName: "any" } },
    { type: "tool_completed", data: { toolCallId: completable?.toolCallId ?? freshCallId(context), status: "ok" } },
    { type: "agent_completed", data: {} },
    { type: "agent_failed", data: { error: { code: "any", message: "any" } } },
    { type: "agent_cancelled", data: {} },
    { type: "agent_suspended", data: { reason: "any" } },
    { type: "agent_resumed", data: {} },
    { type: "approval_resolved", data: { approvalId: approvalId ?? "", decision: "approve" } },
    { type: "cancel_requested", data: {} },
    { type: "cancel_refused", data: {} },
    { type: "tool_proposed", data: { toolCallId: freshCallId(context), toolName: "any" } },
  ];
}

/**
 * Every event type for which some data would be legal now, `x.*` for the application's own.
 *
 * `agent_interrupted` is left out: only the supervisor writes it.
 */
export function legalTypes(snapshot: RunSnapshot): readonly string[] {
  const types: string[] = [];
  for (const witness of witnesses(snapshot)) if (snapshot.can(witness)) types.push(witness.type);
  if (isLiving(snapshot)) types.push(...Object.keys(payloadTypes), anyExtension);
  return types;
}

function whyNotExecuting({ context, value }: RunSnapshot, toolCallId: string): string {
  const call = callOf(context, toolCallId);
  if (call?.status === "executing") return `call ${toolCallId} is executing already`;
  if (value === "suspended") return "the run is suspended: resume it first";
  if (call !== undefined && call.status !== "proposed")
    return `call ${toolCallId} is closed (${call.status}): it may execute again only with an attempt above ${call.attempt}`;
  return "a strict run thinks before it executes a tool";
}

function whyNotCompleted({ context }: RunSnapshot, toolCallId: string): string {
  const call = callOf(context, toolCallId);
  if (call === undefined) return `call ${toolCallId} was never announced`;
  if (call.status === "proposed") return `call ${toolCallId} never executed, and the run is strict`;
  return `call ${toolCallId} is closed already (${call.status})`;
}

function whyNotEnded({ context, value }: RunSnapshot): string {
  if (value === "suspended") return "the run is suspended: resume it first";
  if (context.open > 0) return `${context.open} tool call(s) execute`;
  if (context.children > 0) return `${context.children} child run(s) live`;
  return "a strict run thinks before it completes";
}

function reason(snapshot: RunSnapshot, event: { readonly type: EventType; readonly data: object }): string {
  const { value, context } = snapshot;
  const named = (field: string): string => {
    const id: unknown = Reflect.get(event.data, field);
    return typeof id === "string" ? id : "?";
  };
  if (value === "idle") return "the run has not started";
  if (isTerminal(snapshot)) return "the run is over, and nothing is legal after its terminal";
  switch (event.type) {
    case "agent_started":
      return "the run has started already";
    case "tool_executing":
      return whyNotExecuting(snapshot, named("toolCallId"));
    case "tool_completed":
      return whyNotCompleted(snapshot, named("toolCallId"));
    case "agent_completed":
      return whyNotEnded(snapshot);
    case "agent_thinking":
    case "agent_suspended":
      return "the run is suspended: resume it first";
    case "agent_resumed":
      return "the run is not suspended";
    case "approval_resolved":
      if (value !== "suspended") return "the run is not suspended";
      return Object.hasOwn(context.approvals, named("approvalId"))
        ? `approval ${named("approvalId")} is resolved already`
        : `approval ${named("approvalId")} was never asked for`;
    case "cancel_requested":
      return "the run is being cancelled already";
    case "cancel_refused":
      return "nobody asked the run to stop";
    default:
      return "the run does not take it now";
  }
}

/** One sentence about an event that the machine refused: the state, the event, the reason. */
export function whyIllegal(snapshot: RunSnapshot, event: { readonly type: EventType; readonly data: object }): string {
  return `${event.type} is illegal in ${snapshot.value}: ${reason(snapshot, event)}`;
}
