/**
 * What is left of an event whose payload names another user (L8). The lifecycle fact stays, so that the run can go
 * on and end; the payload is not written anywhere. The runtime has refused and counted it before.
 */
import type { EventInput } from "../../protocol/event.ts";

/** Fields that say which call or message an event is about, and nothing of its content. */
const keptFields = [
  "toolCallId",
  "toolName",
  "attempt",
  "status",
  "durationMs",
  "messageId",
  "channel",
  "role",
  "step",
] as const;

const notice = "withheld: it names another user";

/** The same event without its payload. Shape: `withheld` in its data is the path that was refused. */
export function withoutPayload(event: EventInput, path: string): EventInput {
  const data: Record<string, unknown> = { withheld: path.replace(/^events\[\d+\]\./, "") };
  for (const field of keptFields) {
    const value: unknown = Reflect.get(event.data, field);
    if (value !== undefined) data[field] = value;
  }
  if (event.type === "agent_delta" || event.type === "agent_message") data["text"] = "";
  if (event.type === "agent_failed") data["error"] = { code: event.data.error.code, message: notice };
  if (event.type === "agent_suspended") {
    data["reason"] = event.data.reason;
    data["approvals"] = (event.data.approvals ?? []).map(({ approvalId, toolCallId }) => ({
      approvalId,
      toolCallId,
      prompt: notice,
    }));
  }
  return { ...event, data } as EventInput;
}
