/**
 * What a run looks like after its events, folded once more: the oracle of L9. It goes by the independent table of
 * `support/legality` and shares no line with the fold of the product.
 */
import { afterSaid, unborn } from "../support/legality.ts";
import type { RunMemory } from "../support/legality.ts";
import type { RunView } from "../../protocol/run-view.ts";

export interface Told {
  readonly type: string;
  readonly offset: number;
  readonly seq: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly repaired?: boolean | undefined;
}

/** In an order of its own, so that two pictures are the same text when they are the same. */
export interface Picture {
  readonly state: string;
  readonly seq: number;
  readonly offset: number;
  readonly tools: readonly string[];
  readonly approvals: readonly string[];
  readonly messages: readonly string[];
}

const names = { started: "started", thinking: "thinking", acting: "toolExecuting", acted: "toolCompleted" } as const;

/** The first event that may not stand where it stands (L1); else the run's memory. */
export function replayed(told: readonly Told[], strict: boolean): RunMemory | { readonly illegal: Told } {
  let memory = unborn(strict);
  for (const each of told) {
    const { type, data, repaired } = each;
    const next = afterSaid(memory, { type, data, ...(repaired && { repaired }) });
    if (next === undefined) return { illegal: each };
    memory = next;
  }
  return memory;
}

export function pictureOf(told: readonly Told[], memory: RunMemory): Picture {
  const last = told.at(-1);
  const tools = new Map<string, string>();
  const approvals = new Map<string, string>();
  const messages = new Map<string, string>();
  for (const { type, data } of told) {
    const {
      toolCallId,
      status,
      approvalId,
      decision,
      messageId,
      channel = "text",
      text,
    } = data as Record<string, string>;
    const message = `${messageId}/${channel}`;
    if (type === "tool_proposed") tools.set(`${toolCallId}`, tools.get(`${toolCallId}`) ?? "proposed");
    if (type === "tool_executing") tools.set(`${toolCallId}`, "executing");
    if (type === "tool_completed") tools.set(`${toolCallId}`, `${status}`);
    if (type === "agent_delta") messages.set(message, (messages.get(message) ?? "") + text);
    if (type === "agent_message") messages.set(message, text ?? messages.get(message) ?? "");
    if (type === "approval_resolved") approvals.set(`${approvalId}`, `${decision}`);
    if (type === "agent_suspended")
      for (const asked of (data["approvals"] ?? []) as readonly { approvalId: string }[])
        approvals.set(asked.approvalId, approvals.get(asked.approvalId) ?? "open");
  }
  const isLiving = memory.at !== "over" && memory.at !== "idle" && memory.at !== "suspended";
  const state = isLiving
    ? names[memory.at]
    : memory.at === "over"
      ? (last?.type ?? "").replace("agent_", "")
      : memory.at;
  return { state, seq: last?.seq ?? 0, offset: last?.offset ?? 0, ...sorted(tools, approvals, messages) };
}

export function pictureOfView({ state, seq, offset, tools, approvals, messages }: RunView): Picture {
  return {
    state,
    seq,
    offset,
    ...sorted(
      new Map(tools.map(({ toolCallId, status }) => [toolCallId, status])),
      new Map(approvals.map(({ approvalId, decision = "open" }) => [approvalId, decision])),
      new Map(messages.map(({ messageId, channel, text }) => [`${messageId}/${channel}`, text])),
    ),
  };
}

function sorted(
  ...maps: readonly [tools: Texts, approvals: Texts, messages: Texts]
): Pick<Picture, "tools" | "approvals" | "messages"> {
  const [tools, approvals, messages] = maps.map((map) => [...map].map(([key, text]) => `${key}=${text}`).sort());
  return { tools: tools ?? [], approvals: approvals ?? [], messages: messages ?? [] };
}
type Texts = ReadonlyMap<string, string>;
