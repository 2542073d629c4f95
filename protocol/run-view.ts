/**
 * The folded state of a run: what a snapshot carries, what `GET /v1/runs/{id}` answers and what the client shows.
 * The fold itself stands in `machines/run-view`; this is its shape on the wire.
 */
import type { EventDataOf, TerminalType } from "./event.ts";
import type { Offset, RunId, Seq } from "./ids.ts";

export type LivingState = "started" | "thinking" | "toolExecuting" | "toolCompleted" | "suspended";
export type TerminalState = "completed" | "failed" | "cancelled" | "interrupted";
export type RunState = "idle" | LivingState | TerminalState;

export interface MessageView {
  readonly messageId: string;
  readonly role: "user" | "assistant" | "system";
  readonly channel: "text" | "reasoning" | "tool_args";
  readonly text: string;
}

export type CallStatus = "proposed" | "executing" | EventDataOf<"tool_completed">["status"];

export interface ToolView {
  readonly toolCallId: string;
  readonly toolName: string;
  readonly status: CallStatus;
  readonly attempt: number;
  readonly args?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
  readonly progress?: unknown;
}

export interface ApprovalView {
  readonly approvalId: string;
  readonly prompt?: string;
  readonly toolCallId?: string;
  readonly expiresAt?: string;
  readonly decision?: "approve" | "deny";
  readonly by?: string;
}

export interface RunView {
  readonly runId: RunId;
  readonly threadId?: string;
  readonly agent: string;
  readonly state: RunState;
  /** Where a suspended run goes back to. */
  readonly before?: Exclude<LivingState, "suspended">;
  readonly seq: Seq;
  /** Offset of the last event that is folded in. */
  readonly offset: Offset;
  readonly startedAt: string;
  readonly input?: unknown;
  readonly parentRunId?: string;
  readonly parentToolCallId?: string;
  /** The newest thought, while the run thinks. */
  readonly thought?: string;
  readonly messages: readonly MessageView[];
  readonly tools: readonly ToolView[];
  readonly approvals: readonly ApprovalView[];
  /** Someone asked it to stop, and it has not answered yet. */
  readonly cancelling?: boolean;
  /** Its runner has been silent for longer than its lease. */
  readonly stalled?: boolean;
  readonly output?: unknown;
  readonly usage?: unknown;
  readonly error?: { readonly code: string; readonly message: string; readonly retryable?: boolean };
  /** Why it ended, when it was cancelled, interrupted or suspended. */
  readonly reason?: string;
  readonly endedBy?: TerminalType;
}
