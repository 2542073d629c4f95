/** What runners say in the tests, each in its shortest legal form. */

export const thinking = { type: "agent_thinking", data: {} } as const;
export const executing = (toolCallId: string, attempt?: number) =>
  ({
    type: "tool_executing",
    data: { toolCallId, toolName: "tool", ...(attempt !== undefined && { attempt }) },
  }) as const;
export const executed = (toolCallId: string, status: "ok" | "error" | "denied" | "cancelled" = "ok") =>
  ({ type: "tool_completed", data: { toolCallId, status } }) as const;
export const proposed = (toolCallId: string) =>
  ({ type: "tool_proposed", data: { toolCallId, toolName: "tool" } }) as const;
export const delta = (text: string, messageId = "m1") =>
  ({ type: "agent_delta", data: { messageId, channel: "text", text } }) as const;
export const completed = { type: "agent_completed", data: {} } as const;
export const failed = { type: "agent_failed", data: { error: { code: "c", message: "m" } } } as const;
export const suspended = (...approvalIds: readonly string[]) =>
  ({
    type: "agent_suspended",
    data: { reason: "asks", approvals: approvalIds.map((approvalId) => ({ approvalId })) },
  }) as const;
export const resumed = { type: "agent_resumed", data: {} } as const;
export const note = (data: object = {}) => ({ type: "x.note", data }) as const;

/** The same event under an idempotency key. */
export const keyed = <Event extends object>(key: string, event: Event): Event & { readonly key: string } => ({
  ...event,
  key,
});
