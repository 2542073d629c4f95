/**
 * A run as the code that executes it holds it: what `createRuncast().startRun()` gives. Every call resolves once
 * the event is durable and rejects with one of the expected errors; a call need not be awaited to keep its place.
 */
import type { EventDataOf, EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Fence, RunId } from "../../protocol/ids.ts";
import type { LivingState, TerminalState } from "../../protocol/run-view.ts";

export type MessageChannel = EventDataOf<"agent_delta">["channel"];

export interface ToolCall {
  readonly toolName: string;
  /** Default: a new id. */
  readonly toolCallId?: string;
  readonly args?: unknown;
  /** From 1; a closed call may run again only with a higher one. */
  readonly attempt?: number;
}

export interface RunFailure {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
}

export interface Run {
  readonly runId: RunId;
  readonly fence: Fence;
  /** Aborts when somebody asked the run to stop, and when the run is over or lost to another runner. */
  readonly signal: AbortSignal;
  /** The state after what was accepted so far. */
  readonly state: LivingState | TerminalState;
  thinking(thought?: string, step?: number): Promise<PublishAnswer>;
  /**
   * Runs a tool inside the run: `tool_executing`, the function, `tool_completed` with its result or its error.
   * Resolves and rejects as the function does.
   */
  tool<Result>(call: ToolCall, execute: (signal: AbortSignal) => Result | Promise<Result>): Promise<Result>;
  delta(messageId: string, text: string, channel?: MessageChannel): Promise<PublishAnswer>;
  message(messageId: string, text: string, channel?: MessageChannel): Promise<PublishAnswer>;
  completed(output?: unknown, usage?: unknown): Promise<PublishAnswer>;
  failed(error: RunFailure): Promise<PublishAnswer>;
  cancelled(reason?: string): Promise<PublishAnswer>;
  suspended(data: EventDataOf<"agent_suspended">): Promise<PublishAnswer>;
  resumed(decisions?: unknown): Promise<PublishAnswer>;
  /** Any event, or several that are written together or not at all. */
  emit(events: EventInput | readonly EventInput[]): Promise<PublishAnswer>;
  /** Renews the lease; the embedded runtime does it by itself while the process lives. */
  heartbeat(): Promise<void>;
}
