/**
 * What AI SDK 7 tells, typed by structure: the parts of `result.stream` and the two execution hooks. No import of
 * `ai`: any stream of this shape drives the adapter, and `ai` stays the application's own dependency.
 */

export interface AiSdkToolCall {
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input?: unknown;
}

/** One part of the stream. Which fields it has follows from its type. */
export interface AiSdkPart {
  readonly type: string;
  /** Of a text, a reasoning or a tool input that streams. */
  readonly id?: string | undefined;
  readonly text?: string | undefined;
  readonly delta?: string | undefined;
  readonly toolCallId?: string | undefined;
  readonly toolName?: string | undefined;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly error?: unknown;
  readonly invalid?: boolean | undefined;
  readonly preliminary?: boolean | undefined;
  readonly providerExecuted?: boolean | undefined;
  readonly approvalId?: string | undefined;
  readonly toolCall?: AiSdkToolCall | undefined;
  readonly isAutomatic?: boolean | undefined;
  readonly reason?: string | undefined;
  readonly finishReason?: string | undefined;
  readonly totalUsage?: unknown;
}

/** The event of `onToolExecutionStart`. */
export interface AiSdkExecutionStart {
  readonly toolCall: AiSdkToolCall;
}

/** The event of `onToolExecutionEnd`. */
export interface AiSdkExecutionEnd {
  readonly toolCall: AiSdkToolCall;
  readonly toolOutput: { readonly type: string; readonly output?: unknown; readonly error?: unknown };
  readonly toolExecutionMs?: number | undefined;
}

/** What `streamText` and `agent.stream` return: `stream` since AI SDK 7, `fullStream` before. */
export type AiSdkResult =
  | { readonly stream: AsyncIterable<AiSdkPart> }
  | { readonly fullStream: AsyncIterable<AiSdkPart> };
