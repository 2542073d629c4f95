/**
 * AI SDK signals → Runcast events, pure: no run, no clock, no I/O, so a recorded trace drives it as a live stream
 * does. `ai-sdk` feeds it; `run-writer` writes what it says. Law: whatever comes, in whatever order, the word it
 * makes is legal, and only the end of the source ends the run (docs: runners).
 */
import type { EventInput } from "../../protocol/event.ts";
import type { MessageChannel, RunFailure } from "../runtime/run-handle.ts";
import { AiSdkCalls } from "./ai-sdk-calls.ts";
import type { AiSdkExecutionEnd, AiSdkExecutionStart, AiSdkPart } from "./ai-sdk-signal.ts";
import { failureOf } from "./failure.ts";
import { jsonOf } from "./json-value.ts";
import type { RunOutcome } from "./outcome.ts";

export interface AiSdkMapperTerms {
  /** The execution hooks are wired: only they say that a tool runs. Otherwise it is inferred from the call. */
  readonly hooks: boolean;
  /** Makes message ids unique in the run: providers number their texts anew in every step. */
  readonly messagePrefix?: string | undefined;
  /** Somebody asked the run to stop. */
  readonly isAborted?: (() => boolean) | undefined;
}

/** How the source ended: an error that the iteration threw, if it did. */
export interface SourceEnd {
  readonly thrown?: { readonly error: unknown } | undefined;
}

export interface MappedEnd {
  readonly events: readonly EventInput[];
  readonly outcome: RunOutcome;
}

interface Block {
  readonly messageId: string;
  readonly channel: MessageChannel;
  text: string;
}

/** Between two blocks of text these do not end the message. */
const textMayGoOn = new Set(["text-start", "text-delta", "text-end", "source", "ping", "raw"]);

const noFinish: RunFailure = { code: "source_ended", message: "the agent's stream ended without an end" };

export class AiSdkMapper {
  private readonly calls = new AiSdkCalls();
  private readonly hooks: boolean;
  private readonly prefix: string;
  private readonly isAborted: () => boolean;
  private readonly blocks = new Map<string, Block>();
  /** A text that has ended and may go on: providers cut one message into blocks, at citations for one. */
  private ended: Block | undefined;
  private readonly inputNames = new Map<string, string>();
  private step = 0;
  private blockCount = 0;
  /** The text of the newest step: what the run puts out. */
  private stepText = "";
  private error: { readonly value: unknown } | undefined;
  private abort: { readonly reason: string | undefined } | undefined;
  private finish: { readonly reason: string | undefined; readonly usage: unknown } | undefined;
  private isOver = false;

  constructor(terms: AiSdkMapperTerms) {
    this.hooks = terms.hooks;
    this.prefix = terms.messagePrefix ?? "";
    this.isAborted = terms.isAborted ?? (() => false);
  }

  /** One part of the stream. A type that this version does not know says nothing. */
  part(part: AiSdkPart): EventInput[] {
    if (this.isOver) return [];
    return textMayGoOn.has(part.type) ? this.say(part) : [...this.message(), ...this.say(part)];
  }

  private say(part: AiSdkPart): EventInput[] {
    switch (part.type) {
      case "start-step":
        this.step += 1;
        this.stepText = "";
        this.blocks.clear();
        return [{ type: "agent_thinking", data: { step: this.step } }];
      case "text-delta":
        return this.grow(part, "text");
      case "reasoning-delta":
        return this.grow(part, "reasoning");
      case "text-end":
        return this.close(part, "text");
      case "reasoning-end":
        return this.close(part, "reasoning");
      case "tool-input-start":
        if (part.id !== undefined && part.toolName !== undefined) this.inputNames.set(part.id, part.toolName);
        return [];
      case "tool-input-delta":
        return this.input(part);
      case "finish":
        this.finish = { reason: part.finishReason, usage: jsonOf(part.totalUsage) };
        return [];
      case "error":
        this.error ??= { value: part.error };
        return [];
      case "abort":
        // The SDK tells a thrown reason as text, its class first; a reader wants the reason.
        this.abort ??= { reason: part.reason?.replace(/^AbortError: /, "") };
        return [];
      default:
        return this.toolPart(part);
    }
  }

  /** `onToolExecutionStart`. */
  executionStarted({ toolCall }: AiSdkExecutionStart): EventInput[] {
    return this.isOver ? [] : this.calls.executing(toolCall);
  }

  /** `onToolExecutionEnd`. */
  executionEnded({ toolCall, toolOutput, toolExecutionMs: durationMs }: AiSdkExecutionEnd): EventInput[] {
    if (this.isOver) return [];
    return toolOutput.type === "tool-error"
      ? this.calls.ended(toolCall, { status: this.errorStatus(), error: toolOutput.error, durationMs })
      : this.calls.ended(toolCall, { status: "ok", output: toolOutput.output, durationMs });
  }

  /** A call was seen that will be inferred to run: `settle` says so, once no approval has spoken against it. */
  get hasInferences(): boolean {
    return !this.isOver && this.calls.hasInferences;
  }

  settle(): EventInput[] {
    return this.isOver ? [] : this.calls.settle();
  }

  /**
   * The source is over: the one place that ends the run. Cancelled goes before failed, failed before suspended,
   * suspended before completed; a stream that stops without a `finish` has failed.
   */
  end({ thrown }: SourceEnd = {}): MappedEnd {
    this.isOver = true;
    const { events, outcome } = this.ending(thrown);
    return { events: [...this.message(), ...events], outcome };
  }

  private ending(thrown: SourceEnd["thrown"]): MappedEnd {
    if (this.abort || (this.isAborted() && (thrown || !this.finish))) {
      const reason = this.abort?.reason;
      const data = reason === undefined ? {} : { reason };
      return { events: [{ type: "agent_cancelled", data }], outcome: { state: "cancelled", reason } };
    }
    const cause = this.error ?? (thrown && { value: thrown.error });
    if (cause || !this.finish) {
      const error = cause ? failureOf(cause.value, "model_error") : noFinish;
      return { events: [{ type: "agent_failed", data: { error: { ...error } } }], outcome: { state: "failed", error } };
    }
    const approvals = this.calls.approvals();
    if (approvals.length > 0 || (this.finish.reason === "tool-calls" && this.calls.hasOpenCall)) {
      const reason = approvals.length > 0 ? "approval" : "client_tools";
      const suspension: EventInput = {
        type: "agent_suspended",
        data: { reason, approvals: approvals.map((approval) => ({ ...approval })) },
      };
      return { events: [suspension], outcome: { state: "suspended", reason } };
    }
    const { usage } = this.finish;
    const data = { output: this.stepText, ...(usage !== undefined && { usage }) };
    const completion: EventInput = { type: "agent_completed", data };
    return { events: [...this.calls.abandon(), completion], outcome: { state: "completed", ...data } };
  }

  private toolPart(part: AiSdkPart): EventInput[] {
    if (part.type === "tool-approval-request") {
      if (part.isAutomatic || part.toolCall === undefined || part.approvalId === undefined) return [];
      return this.calls.awaits(part.toolCall, part.approvalId, part.reason);
    }
    if (part.toolCallId === undefined) return [];
    const { toolCallId, toolName, input, error } = part;
    const news = { toolCallId, toolName, input };
    switch (part.type) {
      case "tool-call": {
        const events = this.calls.announce(news, part.invalid === true);
        // The provider's own tools run over there: no hook will tell of them.
        if (part.providerExecuted || !this.hooks) this.calls.infer(toolCallId);
        return events;
      }
      case "tool-result":
        if (part.preliminary) return this.calls.progress(news, part.output);
        return this.calls.ended(news, { status: "ok", output: part.output });
      case "tool-error":
        return this.calls.ended(news, { status: this.errorStatus(), error });
      case "tool-output-denied":
        return this.calls.ended(news, { status: "denied" });
      default:
        return [];
    }
  }

  /** A tool that fails because the run is being stopped has not failed. */
  private errorStatus(): "error" | "cancelled" {
    return this.isAborted() || this.abort ? "cancelled" : "error";
  }

  private grow(part: AiSdkPart, channel: "text" | "reasoning"): EventInput[] {
    if (part.id === undefined || !part.text) return [];
    const key = `${channel}:${part.id}`;
    let block = this.blocks.get(key);
    if (block === undefined) {
      block = channel === "text" ? this.ended : undefined;
      this.ended = undefined;
      if (block === undefined) {
        this.blockCount += 1;
        block = { messageId: `${this.prefix}m${this.blockCount}`, channel, text: "" };
      }
      this.blocks.set(key, block);
    }
    block.text += part.text;
    if (channel === "text") this.stepText += part.text;
    return [{ type: "agent_delta", data: { messageId: block.messageId, channel, text: part.text } }];
  }

  private close(part: AiSdkPart, channel: "text" | "reasoning"): EventInput[] {
    const key = `${channel}:${part.id ?? ""}`;
    const block = this.blocks.get(key);
    if (block === undefined) return [];
    this.blocks.delete(key);
    const before = this.message();
    this.ended = block;
    return channel === "text" ? before : [...before, ...this.message()];
  }

  /** The whole of a message that is over. */
  private message(): EventInput[] {
    if (this.ended === undefined) return [];
    const { messageId, channel, text } = this.ended;
    this.ended = undefined;
    return [{ type: "agent_message", data: { messageId, role: "assistant", channel, text } }];
  }

  private input({ id, delta }: AiSdkPart): EventInput[] {
    if (id === undefined || !delta) return [];
    const toolName = this.inputNames.get(id);
    const data = {
      messageId: id,
      channel: "tool_args",
      text: delta,
      ...(toolName !== undefined && { toolName }),
    } as const;
    return [{ type: "agent_delta", data }];
  }
}
