/** A recorded AI SDK stream with its hooks, given to the adapter's own mapping signal by signal. */
import type { EventInput } from "../../protocol/event.ts";
import { AiSdkMapper } from "../../src/runners/ai-sdk-mapper.ts";
import type { Recording, Signal } from "./recorded-run.ts";

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export function partOf({ t = "", id, name, ...rest }: Signal): Parameters<AiSdkMapper["part"]>[0] {
  return {
    type: t,
    ...(id !== undefined && { id, toolCallId: id, approvalId: `approval-${id}` }),
    ...(id !== undefined && { toolCall: { toolCallId: id, toolName: name ?? "tool" } }),
    toolName: name,
    text: "text",
    delta: "delta",
    finishReason: text(rest["fr"]),
    invalid: rest["invalid"] === true,
    providerExecuted: rest["pe"] === true,
    isAutomatic: rest["auto"] === true,
    ...(t === "error" && { error: new Error("recorded") }),
  };
}

function hookEvents(mapper: AiSdkMapper, { t, id = "", name = "tool", ...rest }: Signal): readonly EventInput[] {
  const toolCall = { toolCallId: id, toolName: name };
  if (t === "onToolExecutionStart") return mapper.executionStarted({ toolCall });
  if (t !== "onToolExecutionEnd") return [];
  return mapper.executionEnded({ toolCall, toolOutput: { type: text(rest["out"]) ?? "tool-result" } });
}

/** What the adapter says of one recorded stream. `agent_started` is the caller's: a resumed stream has none. */
export function aiSdkEvents({ signals }: Recording): readonly EventInput[] {
  const mapper = new AiSdkMapper({ hooks: true });
  return signals.flatMap((signal): readonly EventInput[] => {
    if (signal.k === "part") return mapper.part(partOf(signal));
    if (signal.k === "hook") return hookEvents(mapper, signal);
    const error = text(signal["err"]);
    return mapper.end(error === undefined ? {} : { thrown: { error: new Error(error) } }).events;
  });
}
