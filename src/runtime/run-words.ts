/**
 * What an agent can say, as events: the part of `Run` that is the same wherever the run lives. The embedded handle
 * and the publisher's stand on it, so that one program tells the same story over both.
 */
import type { EventDataOf, EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Fence, RunId } from "../../protocol/ids.ts";
import { insist } from "./insist.ts";
import type { MessageChannel, Run, RunFailure, ToolCall } from "./run-handle.ts";

/** What a tool that threw says of itself. */
const thrown = (cause: unknown): { message: string } => ({
  message: cause instanceof Error ? cause.message : String(cause),
});

const lostOrUnknown: ReadonlySet<unknown> = new Set(["LogUnavailable", "RunEnded", "Fenced"]);
/** By its tag: the publisher's errors are not those of this process. */
const isLostOrUnknown = (cause: unknown): boolean => lostOrUnknown.has(Reflect.get(Object(cause), "_tag"));

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
    // The key makes a lost answer a question that can be asked again: a call that is open must run.
    const key = this.nextId();
    await insist(() => this.emit({ type: "tool_executing", data: announced, key }));
    const failed = (cause: unknown): Promise<unknown> =>
      // The run may be over by now (cancelled, claimed): the tool's own error is what the caller must see.
      this.closeCall({ toolCallId, status: "error", error: thrown(cause) }).catch(() => {});
    let result: Result;
    try {
      result = await execute(this.signal);
    } catch (cause) {
      await failed(cause);
      throw cause;
    }
    try {
      await this.closeCall({ toolCallId, status: "ok", result });
    } catch (cause) {
      // A result that may not be written closes the call as failed. What is lost or unknown is not the tool's failure.
      if (!isLostOrUnknown(cause)) await failed(cause);
      throw cause;
    }
    return result;
  }

  private closeCall(data: EventDataOf<"tool_completed">): Promise<PublishAnswer> {
    const key = this.nextId();
    return insist(() => this.emit({ type: "tool_completed", data, key }));
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
