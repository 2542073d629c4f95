/**
 * A `Run` that keeps what is written to it, judged by the real run machine as the runtime does: an illegal word is
 * refused with the real refusal, and the events stand as they would in the log.
 */
import { createActor } from "xstate";
import { runMachine } from "../../machines/run.ts";
import { runStateOf } from "../../machines/legality.ts";
import { checkEvent } from "../../protocol/codec.ts";
import type { EventInput } from "../../protocol/event.ts";
import type { PublishAnswer } from "../../protocol/http.ts";
import { asRunId } from "../../protocol/ids.ts";
import { IllegalTransition, InvalidInput, RunEnded } from "../../src/errors.ts";
import type { RunActor } from "../../src/runtime/judge.ts";
import { judge } from "../../src/runtime/judge.ts";
import type { Run } from "../../src/runtime/run-handle.ts";

export class RecordingRun implements Run {
  readonly runId = asRunId("recorded");
  readonly fence = 1;
  readonly events: EventInput[] = [];
  /** Sizes of the batches, in order. */
  readonly batches: number[] = [];
  readonly abort = new AbortController();
  /** Called before a batch is judged; what it throws is the answer. */
  before: (batch: readonly EventInput[]) => void | Promise<void> = () => {};
  private actor: RunActor = createActor(runMachine, { input: {} }).start();
  private readonly keys = new Set<string>();

  constructor() {
    this.accept([{ type: "agent_started", data: { agent: "test" } }]);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  get state(): Run["state"] {
    const state = runStateOf(this.actor.getSnapshot());
    return state === "idle" ? "started" : state;
  }

  get types(): string[] {
    return this.events.map(({ type }) => type);
  }

  of<Type extends EventInput["type"]>(type: Type): Extract<EventInput, { type: Type }>[] {
    return this.events.filter((event): event is Extract<EventInput, { type: Type }> => event.type === type);
  }

  async emit(events: EventInput | readonly EventInput[]): Promise<PublishAnswer> {
    const batch: readonly EventInput[] = Array.isArray(events) ? events : [events as EventInput];
    await this.before(batch);
    return this.accept(batch);
  }

  async tool<Result>(
    call: { toolName: string; toolCallId?: string },
    execute: (signal: AbortSignal) => Result | Promise<Result>,
  ): Promise<Result> {
    const toolCallId = call.toolCallId ?? `call-${this.events.length}`;
    await this.emit({ type: "tool_executing", data: { toolName: call.toolName, toolCallId } });
    try {
      const result = await execute(this.signal);
      await this.emit({ type: "tool_completed", data: { toolCallId, status: "ok", result } });
      return result;
    } catch (cause) {
      await this.emit({ type: "tool_completed", data: { toolCallId, status: "error", error: String(cause) } });
      throw cause;
    }
  }

  thinking = (thought?: string) =>
    this.emit({ type: "agent_thinking", data: thought === undefined ? {} : { thought } });
  delta = (messageId: string, text: string) =>
    this.emit({ type: "agent_delta", data: { messageId, channel: "text", text } });
  message = (messageId: string, text: string) => this.emit({ type: "agent_message", data: { messageId, text } });
  completed = (output?: unknown, usage?: unknown) => this.emit({ type: "agent_completed", data: { output, usage } });
  failed = (error: { code: string; message: string }) =>
    this.emit({ type: "agent_failed", data: { error: { ...error } } });
  cancelled = (reason?: string) => this.emit({ type: "agent_cancelled", data: { reason } });
  suspended = (data: { reason: string }) => this.emit({ type: "agent_suspended", data: { ...data } });
  resumed = (decisions?: unknown) => this.emit({ type: "agent_resumed", data: { decisions } });
  heartbeat = () => Promise.resolve();

  private accept(batch: readonly EventInput[]): PublishAnswer {
    const fresh = batch.filter(({ key }) => key === undefined || !this.keys.has(key));
    const duplicates = batch.length - fresh.length;
    if (fresh.length > 0 && this.actor.getSnapshot().hasTag("terminal")) throw new RunEnded({ state: this.state });
    for (const event of fresh) {
      const checked = checkEvent(event);
      if (!checked.ok) throw new InvalidInput({ code: "invalid_event", ...checked.issue });
    }
    const verdict = judge(this.actor, fresh, "reject");
    if (verdict instanceof IllegalTransition) throw verdict;
    for (const { key } of fresh) if (key !== undefined) this.keys.add(key);
    this.events.push(...verdict.legal.map(({ event }) => event));
    this.batches.push(fresh.length);
    return { seq: this.events.length, offset: this.events.length, duplicates };
  }
}
