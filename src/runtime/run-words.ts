/**
 * What an agent can say, as events: the part of `Run` that is the same wherever the run lives. The embedded handle
 * and the publisher's stand on it, so that one program tells the same story over both.
 */
import type { EventDataOf, EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Fence, RunId } from "../../protocol/ids.ts";
import type { MessageChannel, Run, RunFailure, ToolCall } from "./run-handle.ts";

/** What a tool that threw says of itself. */
const thrown = (cause: unknown): { message: string } => ({
  message: cause instanceof Error ? cause.message : String(cause),
});

export abstract class RunWords implements Run {
  abstract readonly runId: RunId;
  abstract readonly fence: Fence;
  abstract readonly signal: AbortSignal;
  abstract readonly state: Run["state"];
  private readonly nextId: () => string;

  constructor(nextId: () => string) {
    this.nextId = nextId;
  }

  abstract emit(events: EventInput | readonly EventInput[]): Promise<PublishAnswer>;
  abstract heartbeat(): Promise<void>;

  thinking(thought?: string, step?: number): Promise<PublishAnswer> {
    const data = { ...(thought !== undefined && { thought }), ...(step !== undefined && { step }) };
    return this.emit({ type: "agent_thinking", data });
  }

  async tool<Result>(call: ToolCall, execute: (signal: AbortSignal) => Result | Promise<Result>): Promise<Result> {
    const { toolName, toolCallId = this.nextId(), args, attempt } = call;
    const announced = {
      toolCallId,
      toolName,
      ...(args !== undefined && { args }),
      ...(attempt !== undefined && { attempt }),
    };
    await this.emit({ type: "tool_executing", data: announced });
    try {
      const result = await execute(this.signal);
      await this.emit({ type: "tool_completed", data: { toolCallId, status: "ok", result } });
      return result;
    } catch (cause) {
      // The run may be over by now (cancelled, claimed): the tool's own error is what the caller must see.
      await this.emit({ type: "tool_completed", data: { toolCallId, status: "error", error: thrown(cause) } }).catch(
        () => {},
      );
      throw cause;
    }
  }

  delta(messageId: string, text: string, channel: MessageChannel = "text"): Promise<PublishAnswer> {
    return this.emit({ type: "agent_delta", data: { messageId, channel, text } });
  }

  message(messageId: string, text: string, channel: MessageChannel = "text"): Promise<PublishAnswer> {
    return this.emit({ type: "agent_message", data: { messageId, role: "assistant", channel, text } });
  }

  completed(output?: unknown, usage?: unknown): Promise<PublishAnswer> {
    const data = { ...(output !== undefined && { output }), ...(usage !== undefined && { usage }) };
    return this.emit({ type: "agent_completed", data });
  }

  failed({ code, message, retryable = false }: RunFailure): Promise<PublishAnswer> {
    return this.emit({ type: "agent_failed", data: { error: { code, message, retryable } } });
  }

  cancelled(reason?: string): Promise<PublishAnswer> {
    return this.emit({ type: "agent_cancelled", data: { by: "runner", ...(reason !== undefined && { reason }) } });
  }

  suspended(data: EventDataOf<"agent_suspended">): Promise<PublishAnswer> {
    return this.emit({ type: "agent_suspended", data });
  }

  resumed(decisions?: unknown): Promise<PublishAnswer> {
    return this.emit({ type: "agent_resumed", data: decisions === undefined ? {} : { decisions } });
  }
}
