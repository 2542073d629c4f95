/**
 * What a run looks like: its events folded into one view, with the run machine deciding the state (L9). The same
 * fold makes the server's snapshots and the client's picture, so a cut client and one that never left agree.
 *
 * Payload events go past the machine here too. Pure.
 */
import { createActor, transition } from "xstate";
import type { RunEvent } from "../protocol/event.ts";
import type { RunView } from "../protocol/run-view.ts";
import { isLivingState, isRunFact } from "./legality.ts";
import { repairSteps } from "./repair.ts";
import { type RunContext, type RunFact, runMachine, type RunSnapshot } from "./run.ts";
import { changedView, without } from "./view-change.ts";

/** A view with the machine's memory beside it, so that the next event need not rebuild it. */
export interface RunFold {
  readonly view: RunView;
  /** Undefined until an event needs it. */
  readonly snapshot: RunSnapshot | undefined;
}

/** The agent of a run whose beginning was not seen. */
const unknownAgent = "unknown";

const unstarted = createActor(runMachine, { input: {} }).getSnapshot();

/** The machine's memory out of the view. The log is legal already, so the profile no longer matters. */
function remembered(view: RunView): RunSnapshot {
  const calls: RunContext["calls"] = Object.fromEntries(
    view.tools.map(({ toolCallId, toolName, status, attempt }) => [toolCallId, { toolName, status, attempt }]),
  );
  return runMachine.resolveState({
    value: view.state,
    context: {
      profile: "standard",
      calls,
      open: view.tools.filter(({ status }) => status === "executing").length,
      approvals: Object.fromEntries(view.approvals.map(({ approvalId, decision }) => [approvalId, decision ?? "open"])),
      cancel: view.cancelling === true,
      answered: false,
      before: view.before ?? null,
      children: 0,
    },
  });
}

/** A view to fold on from: of a snapshot frame, of `GET /v1/runs/{id}`, of a store. */
export function resumeFold(view: RunView): RunFold {
  return { view, snapshot: undefined };
}

/** The view of a run before its first event; one that we meet in the middle counts as started. */
function firstView(event: RunEvent): RunView {
  const { runId, threadId, seq, offset, time } = event;
  const empty = { runId, ...(threadId !== undefined && { threadId }), seq, offset, startedAt: time };
  const lists = { messages: [], tools: [], approvals: [] };
  if (event.type !== "agent_started") return { ...empty, agent: unknownAgent, state: "started", ...lists };
  const { agent, input, parentRunId, parentToolCallId } = event.data;
  return {
    ...empty,
    agent,
    state: "started",
    ...(input !== undefined && { input }),
    ...(parentRunId !== undefined && { parentRunId }),
    ...(parentToolCallId !== undefined && { parentToolCallId }),
    ...lists,
  };
}

/** The machine after `fact`, or undefined when it does not take it even with the steps that a gap has swallowed. */
function moved(snapshot: RunSnapshot, fact: RunFact): RunSnapshot | undefined {
  const [next] = transition(runMachine, snapshot, fact);
  if (next !== snapshot) return next;
  const steps = repairSteps(snapshot, fact);
  return steps && [...steps, fact].reduce((at, step) => transition(runMachine, at, step)[0], snapshot);
}

/** Puts what the machine knows into the view. */
function decided(view: RunView, { value, context }: RunSnapshot): RunView {
  const { before, cancel } = context;
  const clear = without(view, "before", "cancelling");
  return { ...clear, state: value, ...(before !== null && { before }), ...(cancel && { cancelling: true }) };
}

/**
 * Folds the next event in. An event that is folded in already, by its seq, changes nothing; neither does what
 * comes after a terminal.
 */
export function foldRun(fold: RunFold | undefined, event: RunEvent): RunFold {
  if (fold === undefined) {
    const view = firstView(event);
    if (event.type !== "agent_started") return folded({ view, snapshot: undefined }, event);
    return { view, snapshot: transition(runMachine, unstarted, event)[0] };
  }
  return event.seq <= fold.view.seq ? fold : folded(fold, event);
}

function folded({ view, snapshot }: RunFold, event: RunEvent): RunFold {
  const place = { seq: event.seq, offset: event.offset };
  // Late payload is not shown either (L2).
  if (!isLivingState(view.state)) return { view: { ...view, ...place }, snapshot };
  if (!isRunFact(event)) return { view: { ...changedView(view, event), ...place }, snapshot };
  const next = moved(snapshot ?? remembered(view), event);
  if (next === undefined) return { view: { ...view, ...place }, snapshot };
  return { view: { ...decided(changedView(view, event), next), ...place }, snapshot: next };
}

/** `foldRun` for whoever keeps only the view. */
export function foldRunView(view: RunView | undefined, event: RunEvent): RunView {
  return foldRun(view && resumeFold(view), event).view;
}

/** A runner that fell silent, or is heard again: word that comes beside the stream (`status`). */
export function markStalled(fold: RunFold, stalled: boolean): RunFold {
  const view = without(fold.view, "stalled");
  return { ...fold, view: stalled ? { ...view, stalled } : view };
}
