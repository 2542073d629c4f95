/**
 * The handle that an embedded runner holds (`Run`). It says events in the runner's name, under its fence; while the
 * runner holds it the lease renews itself, and its signal is how a cancellation reaches the code.
 */
import { checkEvent } from "../../protocol/codec.ts";
import type { EventDataOf, EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import type { Fence, RunId } from "../../protocol/ids.ts";
import type { LivingState, TerminalState } from "../../protocol/run-view.ts";
import { InvalidInput } from "../errors.ts";
import { Receipt } from "./receipt.ts";
import type { RunDesk } from "./run-desk.ts";
import type { MessageChannel, Run, RunFailure, ToolCall } from "./run-handle.ts";
import type { Runs } from "./runs.ts";

/** What a tool that threw says of itself. */
const thrown = (cause: unknown): { message: string } => ({
  message: cause instanceof Error ? cause.message : String(cause),
});

export class EmbeddedRun implements Run {
  readonly runId: RunId;
  readonly fence: Fence;
  private readonly runs: Runs;
  private readonly first: RunDesk;
  private readonly nextId: () => string;

  constructor(runs: Runs, desk: RunDesk, nextId: () => string) {
    this.runs = runs;
    this.first = desk;
    this.nextId = nextId;
    this.runId = desk.run.record.runId;
    this.fence = desk.run.fence;
    desk.embed(this);
  }

  get signal(): AbortSignal {
    const { desk } = this;
    // A claim gives the next handle a signal of its own; this one is lost.
    return desk.run.fence === this.fence ? desk.signal : AbortSignal.abort();
  }

  private get desk(): RunDesk {
    return this.runs.current(this.first);
  }

  get state(): LivingState | TerminalState {
    const { state } = this.desk.run;
    return state === "idle" ? "started" : state;
  }

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

  emit(events: EventInput | readonly EventInput[]): Promise<PublishAnswer> {
    const batch: readonly EventInput[] = Array.isArray(events) ? events : [events as EventInput];
    for (const [index, event] of batch.entries()) {
      const checked = checkEvent(event, `events[${index}]`);
      if (!checked.ok) return Receipt.refused(new InvalidInput({ code: "invalid_event", ...checked.issue }));
    }
    return this.runs.publishAs(this.desk, batch, { fence: this.fence });
  }

  async heartbeat(): Promise<void> {
    this.desk.run.requireFence(this.fence);
    this.desk.lease.renew();
  }
}
