/** The recorded runs, and the words of ours that they become. One mapping for each framework: the machine judges them. */
import { readFileSync } from "node:fs";
import type { EventInput } from "../../protocol/event.ts";
import type { RunState } from "../../protocol/run-view.ts";

export interface Signal {
  readonly k: "part" | "hook" | "end";
  readonly t?: string;
  readonly id?: string;
  readonly name?: string;
  readonly [field: string]: unknown;
}

export interface Recording {
  readonly runner: "ai" | "openai" | "langgraph" | "mastra";
  readonly scenario: string;
  readonly signals: readonly Signal[];
  readonly expectedEnd: RunState;
}

export const recordings: readonly Recording[] = readFileSync(
  new URL("../recordings/traces.ndjson", import.meta.url),
  "utf8",
)
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line) as Recording);

type CallState = "proposed" | "awaiting" | "executing" | "closed";

/**
 * What every mapping needs: hooks overtake streams and items repeat what hooks said, so each call has its own small
 * memory, and only the end of the source ends the run.
 */
export class Word {
  readonly events: EventInput[] = [];
  private readonly calls = new Map<string, { state: CallState; attempt: number }>();

  /** A resumed source goes on in the run that was suspended: its calls are known. */
  resume(): void {
    for (const [toolCallId, { state }] of this.calls)
      if (state === "awaiting")
        this.events.push({ type: "approval_resolved", data: { approvalId: toolCallId, decision: "approve" } });
    this.events.push({ type: "agent_resumed", data: {} });
  }

  thinks(): void {
    this.events.push({ type: "agent_thinking", data: {} });
  }

  proposes(toolCallId: string, toolName: string): void {
    if (this.calls.has(toolCallId)) return;
    this.calls.set(toolCallId, { state: "proposed", attempt: 1 });
    this.events.push({ type: "tool_proposed", data: { toolCallId, toolName } });
  }

  awaits(toolCallId: string): void {
    const call = this.calls.get(toolCallId);
    if (call) call.state = "awaiting";
  }

  executes(toolCallId: string, toolName: string): void {
    // It began before the suspension and begins once more (LangGraph runs an interrupted node again).
    if (this.calls.get(toolCallId)?.state === "executing") this.completes(toolCallId, toolName, "cancelled");
    const known = this.calls.get(toolCallId);
    const attempt = known?.state === "closed" ? known.attempt + 1 : 1;
    this.calls.set(toolCallId, { state: "executing", attempt });
    this.events.push({ type: "tool_executing", data: { toolCallId, toolName, attempt } });
  }

  completes(toolCallId: string, toolName: string, status: "ok" | "error" | "denied" | "cancelled"): void {
    if (this.calls.get(toolCallId)?.state === "closed") return;
    this.proposes(toolCallId, toolName);
    this.calls.set(toolCallId, { state: "closed", attempt: this.calls.get(toolCallId)?.attempt ?? 1 });
    this.events.push({ type: "tool_completed", data: { toolCallId, status } });
  }

  ends(how: { readonly cancelled: boolean; readonly failed: boolean; readonly interrupted: boolean }): void {
    const awaiting = [...this.calls].filter(([, { state }]) => state === "awaiting");
    if (how.cancelled) this.events.push({ type: "agent_cancelled", data: {} });
    else if (how.failed)
      this.events.push({ type: "agent_failed", data: { error: { code: "failed", message: "failed" } } });
    else if (how.interrupted || awaiting.length > 0) {
      const approvals = awaiting.map(([approvalId]) => ({ approvalId, toolCallId: approvalId }));
      this.events.push({ type: "agent_suspended", data: { reason: "approval", approvals } });
    } else this.events.push({ type: "agent_completed", data: {} });
  }
}

type Mapping = (word: Word, signal: Signal) => void;

const openai: Mapping = (word, { t, id = "", name = "", ...signal }) => {
  if (signal.k === "end")
    word.ends({
      cancelled: signal["cancelled"] === true,
      failed: signal["ok"] !== true,
      interrupted: signal["interrupted"] === true,
    });
  else if (t === "raw.response_started") word.thinks();
  else if (t === "tool_called") word.proposes(id, name);
  else if (t === "tool_approval_requested") word.awaits(id);
  else if (t === "agent_tool_start") word.executes(id, name);
  // The items come once more, in call order, after all hooks.
  else if (t === "agent_tool_end" || t === "tool_output") word.completes(id, name, "ok");
  else if (t === "agent_handoff")
    word.events.push({ type: "agent_handoff", data: { from: String(signal["agent"]), to: "B" } });
};

/** It says no tool_call_id when a tool starts; in every recorded run a tool is called once, so its name will do. */
const langgraph: Mapping = (word, { t, name = "", ...signal }) => {
  if (signal.k === "end")
    word.ends({
      cancelled: signal["cancelled"] === true,
      failed: signal["ok"] !== true,
      interrupted: signal["interrupted"] === true,
    });
  else if (t === "on_chat_model_start") word.thinks();
  else if (t === "on_tool_start") word.executes(name, name);
  else if (t === "on_tool_end") word.completes(name, name, "ok");
  else if (t === "on_tool_error" && signal["intr"] !== true) word.completes(name, name, "error");
};

const mastra: Mapping = (word, { t, id = "", name = "", ...signal }) => {
  const end = signal["fr"];
  if (signal.k === "end")
    word.ends({ cancelled: end === "aborted", failed: end === "error", interrupted: end === "suspended" });
  else if (t === "step-start") word.thinks();
  else if (t === "tool-call") word.proposes(id, name);
  else if (t === "tool-call-approval") word.awaits(id);
  else if (t === "tool-result") word.completes(id, name, "ok");
};

const mappings = { openai, langgraph, mastra };

/** The run that one source, or a source and its continuations, told. */
export function wordOf(runner: keyof typeof mappings, ...sources: readonly Recording[]): readonly EventInput[] {
  const word = new Word();
  word.events.push({ type: "agent_started", data: { agent: runner } });
  for (const [at, { signals }] of sources.entries()) {
    if (at > 0) word.resume();
    for (const signal of signals) mappings[runner](word, signal);
  }
  return word.events;
}
