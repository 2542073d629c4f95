/**
 * The run machine's oracle: PRODUCT.md §1 once more, in plain conditions, written without looking at the machine.
 * It names the state and what it remembers, and answers what one event makes of it, or undefined for "illegal".
 */
import type { RunFact, RunProfile } from "../../machines/run.ts";
import type { RunState } from "../../protocol/run-view.ts";

export interface Model {
  readonly state: RunState;
  /** What a suspended run goes back to. */
  readonly before?: RunState;
  readonly calls: Readonly<
    Record<string, { readonly is: "proposed" | "executing" | "closed"; readonly attempt: number }>
  >;
  readonly approvals: Readonly<Record<string, "open" | "answered">>;
  readonly cancelling: boolean;
  readonly children: number;
}

export const emptyModel: Model = { state: "idle", calls: {}, approvals: {}, cancelling: false, children: 0 };

const terminals: Readonly<Record<string, RunState>> = {
  agent_failed: "failed",
  agent_cancelled: "cancelled",
  agent_interrupted: "interrupted",
};

/** The model after `event`; undefined when it is illegal. */
export function expected(profile: RunProfile, model: Model, event: RunFact): Model | undefined {
  const { state, calls, approvals, cancelling, children } = model;
  if (state === "idle") return event.type === "agent_started" ? { ...model, state: "started" } : undefined;
  if (["completed", "failed", "cancelled", "interrupted"].includes(state)) return undefined;
  const suspended = state === "suspended";
  const executing = Object.values(calls).filter(({ is }) => is === "executing").length;
  const atOnce = state !== "started" || profile === "standard";
  switch (event.type) {
    case "agent_started":
      return undefined;
    case "agent_thinking":
      if (suspended) return undefined;
      return { ...model, state: state === "toolExecuting" ? state : "thinking" };
    case "tool_executing": {
      const { toolCallId, attempt = 1 } = event.data;
      const call = calls[toolCallId];
      if (suspended || !atOnce || call?.is === "executing") return undefined;
      if (call?.is === "closed" && attempt <= call.attempt) return undefined;
      return { ...model, state: "toolExecuting", calls: { ...calls, [toolCallId]: { is: "executing", attempt } } };
    }
    case "tool_completed": {
      const { toolCallId, status } = event.data;
      const call = calls[toolCallId];
      if (call === undefined || call.is === "closed") return undefined;
      const byServer = event.repaired === true && status === "cancelled";
      if (call.is === "proposed" && profile === "strict" && !byServer) return undefined;
      const left = call.is === "executing" ? executing - 1 : executing;
      const next: RunState = left > 0 ? "toolExecuting" : "toolCompleted";
      const closed = { ...model, calls: { ...calls, [toolCallId]: { ...call, is: "closed" as const } } };
      return suspended ? { ...closed, before: next } : { ...closed, state: next };
    }
    case "agent_completed":
      if (suspended || !atOnce || executing > 0 || children > 0) return undefined;
      return { ...model, state: "completed" };
    case "agent_failed":
    case "agent_cancelled":
    case "agent_interrupted":
      return { ...model, state: terminals[event.type] ?? "failed" };
    case "agent_suspended": {
      if (suspended) return undefined;
      const asked = (event.data.approvals ?? []).map(({ approvalId }) => [approvalId, "open"] as const);
      return { ...model, state: "suspended", before: state, approvals: { ...Object.fromEntries(asked), ...approvals } };
    }
    case "agent_resumed": {
      if (!suspended) return undefined;
      const { before = "started", ...rest } = model;
      return { ...rest, state: before };
    }
    case "approval_resolved":
      if (!suspended || approvals[event.data.approvalId] !== "open") return undefined;
      return { ...model, approvals: { ...approvals, [event.data.approvalId]: "answered" } };
    case "cancel_requested":
      return cancelling ? undefined : { ...model, cancelling: true };
    case "cancel_refused":
      return cancelling ? { ...model, cancelling: false } : undefined;
    case "tool_proposed": {
      const { toolCallId } = event.data;
      if (calls[toolCallId] !== undefined) return model;
      return { ...model, calls: { ...calls, [toolCallId]: { is: "proposed", attempt: 1 } } };
    }
    case "child.started":
      return { ...model, children: children + 1 };
    case "child.ended":
      return children > 0 ? { ...model, children: children - 1 } : undefined;
  }
}
