/**
 * What one event changes in the picture of its run. `run-view` calls it and adds what the run machine decides.
 *
 * Results are new objects that share what did not change, so that a page draws only what is new.
 */
import type { ExtensionType, RunEvent } from "../protocol/event.ts";
import type { MessageView, RunView, ToolView } from "../protocol/run-view.ts";
import { unknownTool } from "./repair.ts";

type EventOf<Type extends RunEvent["type"]> = Extract<RunEvent, { readonly type: Type }>;
type TerminalEvent = EventOf<"agent_completed" | "agent_failed" | "agent_cancelled" | "agent_interrupted">;
type Clearable = "before" | "cancelling" | "reason" | "stalled" | "thought";

/** The view without those fields: absent, as in JSON, and not undefined. */
export function without(view: RunView, ...keys: readonly Clearable[]): RunView {
  const rest: { -readonly [Key in keyof RunView]: RunView[Key] } = { ...view };
  for (const key of keys) delete rest[key];
  return rest;
}

/** The newest are asked for most, so it looks from the end. */
function replaced<Item>(
  items: readonly Item[],
  is: (item: Item) => boolean,
  by: (old?: Item) => Item,
): readonly Item[] {
  const at = items.findLastIndex(is);
  return at === -1 ? [...items, by()] : items.with(at, by(items[at]));
}

function withMessage(view: RunView, id: Omit<MessageView, "text" | "role">, by: (old?: MessageView) => MessageView) {
  const is = (old: MessageView) => old.messageId === id.messageId && old.channel === id.channel;
  return { ...view, messages: replaced(view.messages, is, by) };
}

function withTool(view: RunView, toolCallId: string, by: (old?: ToolView) => ToolView): RunView {
  return { ...view, tools: replaced(view.tools, (old) => old.toolCallId === toolCallId, by) };
}

function withDelta(view: RunView, { messageId, channel, text }: EventOf<"agent_delta">["data"]): RunView {
  return withMessage(view, { messageId, channel }, (old) =>
    old === undefined ? { messageId, role: "assistant", channel, text } : { ...old, text: old.text + text },
  );
}

function withWhole(view: RunView, data: EventOf<"agent_message">["data"]): RunView {
  const { messageId, channel = "text" } = data;
  return withMessage(view, { messageId, channel }, (old) => ({
    messageId,
    role: data.role ?? old?.role ?? "assistant",
    channel,
    text: data.text ?? old?.text ?? "",
  }));
}

function withProposed(view: RunView, { toolCallId, toolName, args }: EventOf<"tool_proposed">["data"]): RunView {
  return withTool(view, toolCallId, (old) => ({
    ...(old ?? { toolCallId, toolName, status: "proposed", attempt: 1 }),
    // The call may run already: hooks overtake the stream. What it was given is still news.
    ...(old?.args === undefined && args !== undefined && { args }),
  }));
}

function withExecuting(view: RunView, data: EventOf<"tool_executing">["data"]): RunView {
  const { toolCallId, toolName, attempt = 1 } = data;
  return withTool(view, toolCallId, (old) => {
    const args = data.args ?? old?.args;
    return { toolCallId, toolName, status: "executing", attempt, ...(args !== undefined && { args }) };
  });
}

function withCompleted(view: RunView, data: EventOf<"tool_completed">["data"]): RunView {
  const { toolCallId, status, result, error } = data;
  return withTool(view, toolCallId, (old) => ({
    ...(old ?? { toolCallId, toolName: unknownTool, attempt: 1 }),
    status,
    ...(result !== undefined && { result }),
    ...(error !== undefined && { error }),
  }));
}

function withProgress(view: RunView, { toolCallId, ...progress }: EventOf<"tool_progress">["data"]): RunView {
  if (!view.tools.some((tool) => tool.toolCallId === toolCallId)) return view;
  return withTool(view, toolCallId, (old) => ({
    ...(old ?? { toolCallId, toolName: unknownTool, status: "executing", attempt: 1 }),
    progress,
  }));
}

function withApprovals(view: RunView, { reason, approvals = [] }: EventOf<"agent_suspended">["data"]): RunView {
  let asked = view.approvals;
  for (const { approvalId, prompt, toolCallId, expiresAt } of approvals) {
    // The first answer wins, also when the runner asks the same again.
    asked = replaced(
      asked,
      (old) => old.approvalId === approvalId,
      (old) =>
        old ?? {
          approvalId,
          ...(prompt !== undefined && { prompt }),
          ...(toolCallId !== undefined && { toolCallId }),
          ...(expiresAt !== undefined && { expiresAt }),
        },
    );
  }
  return { ...view, approvals: asked, reason };
}

function withAnswer(view: RunView, { approvalId, decision, by }: EventOf<"approval_resolved">["data"]): RunView {
  const answer = { decision, ...(by !== undefined && { by }) };
  return {
    ...view,
    approvals: replaced(
      view.approvals,
      (old) => old.approvalId === approvalId,
      (old) => ({ ...(old ?? { approvalId }), ...answer }),
    ),
  };
}

/** A run that is over has no open call, also where a gap has swallowed how it closed. */
function closedTools(tools: readonly ToolView[]): readonly ToolView[] {
  const isOpen = ({ status }: ToolView) => status === "executing" || status === "proposed";
  if (!tools.some(isOpen)) return tools;
  return tools.map((tool) => (isOpen(tool) ? { ...tool, status: "cancelled" } : tool));
}

function ended(view: RunView, event: TerminalEvent): RunView {
  const left = { ...without(view, "reason", "stalled"), tools: closedTools(view.tools), endedBy: event.type };
  switch (event.type) {
    case "agent_completed": {
      const { output, usage } = event.data;
      return { ...left, ...(output !== undefined && { output }), ...(usage !== undefined && { usage }) };
    }
    case "agent_failed": {
      const { code, message, retryable } = event.data.error;
      return { ...left, error: { code, message, ...(retryable !== undefined && { retryable }) } };
    }
    case "agent_cancelled": {
      const { reason } = event.data;
      return { ...left, ...(reason !== undefined && { reason }) };
    }
    case "agent_interrupted":
      return { ...left, reason: event.data.reason };
  }
}

/** The application's own change nothing. A new type of ours does not compile here until it has its case. */
function unchanged(view: RunView, _own: ExtensionType): RunView {
  return view;
}

/** The view after `event`: all but the state, which the machine decides, and the place in the log. */
export function changedView(view: RunView, event: RunEvent): RunView {
  switch (event.type) {
    case "agent_thinking": {
      const { thought } = event.data;
      return thought === undefined ? without(view, "thought") : { ...view, thought };
    }
    case "agent_delta":
      return withDelta(view, event.data);
    case "agent_message":
      return withWhole(view, event.data);
    case "tool_proposed":
      return withProposed(view, event.data);
    case "tool_executing":
      return withExecuting(without(view, "thought"), event.data);
    case "tool_completed":
      return withCompleted(without(view, "thought"), event.data);
    case "tool_progress":
      return withProgress(view, event.data);
    case "agent_suspended":
      return withApprovals(without(view, "thought"), event.data);
    case "agent_resumed":
      return without(view, "reason");
    case "approval_resolved":
      return withAnswer(view, event.data);
    case "agent_handoff":
      return { ...view, agent: event.data.to };
    case "agent_completed":
    case "agent_failed":
    case "agent_cancelled":
    case "agent_interrupted":
      return ended(without(view, "thought"), event);
    case "agent_started":
    case "cancel_requested":
    case "cancel_refused":
    case "agent_progress":
      return view;
    default:
      return unchanged(view, event.type);
  }
}
