/**
 * The tool calls of one AI SDK stream. Hooks overtake the stream and both tell the same story, so every rule here
 * may be applied twice: the first telling becomes an event, the second nothing.
 */
import type { EventDataOf, EventInput } from "../../protocol/event.ts";
import { toolErrorOf } from "./failure.ts";
import { jsonOf } from "./json-value.ts";

type Completion = EventDataOf<"tool_completed">["status"];

interface Call {
  readonly toolCallId: string;
  readonly toolName: string;
  args: unknown;
  phase: "proposed" | "executing" | "done";
  attempt: number;
  /** The stream has shown its `tool-call`. A second one under a closed id is a new attempt: some models reuse ids. */
  announced: boolean;
  invalid: boolean;
  /** It will be inferred to execute as soon as nothing speaks against it. */
  inferred: boolean;
  approval?: { readonly approvalId: string; readonly prompt: string };
}

export interface CallNews {
  readonly toolCallId: string;
  readonly toolName?: string | undefined;
  readonly input?: unknown;
}

/** A call that ran or never did, and what came of it. */
export interface CallEnd {
  readonly status: Completion;
  readonly output?: unknown;
  readonly error?: unknown;
  readonly durationMs?: number | undefined;
}

export interface OpenApproval {
  readonly approvalId: string;
  readonly prompt: string;
  readonly toolCallId: string;
}

const unnamedTool = "tool";

export class AiSdkCalls {
  private readonly calls = new Map<string, Call>();

  /** The model asks for a call. */
  announce(news: CallNews, invalid: boolean): EventInput[] {
    const known = this.calls.get(news.toolCallId);
    if (known === undefined) return this.propose(news, invalid);
    if (known.phase === "done" && known.announced) {
      this.renew(known, news);
      known.invalid = invalid;
      return [proposed(known)];
    }
    known.announced = true;
    known.invalid ||= invalid;
    known.args ??= jsonOf(news.input);
    return [];
  }

  /** Nobody will say that this call executes: infer it, unless it turns out to wait (`settle`). */
  infer(toolCallId: string): void {
    const call = this.calls.get(toolCallId);
    if (call?.phase === "proposed" && !call.invalid) call.inferred = true;
  }

  /** The inferences nothing has spoken against. */
  settle(): EventInput[] {
    const events: EventInput[] = [];
    for (const call of this.calls.values()) if (call.inferred) events.push(...this.execute(call));
    return events;
  }

  get hasInferences(): boolean {
    for (const call of this.calls.values()) if (call.inferred) return true;
    return false;
  }

  executing(news: CallNews): EventInput[] {
    const known = this.calls.get(news.toolCallId);
    if (known === undefined) {
      const call = this.add(news, false, false);
      return this.execute(call);
    }
    if (known.phase === "done" && known.announced) {
      this.renew(known, news);
      known.announced = false;
    }
    known.args ??= jsonOf(news.input);
    return known.phase === "proposed" ? this.execute(known) : [];
  }

  awaits(news: CallNews, approvalId: string, reason: string | undefined): EventInput[] {
    const events = this.calls.has(news.toolCallId) ? [] : this.propose(news, false);
    const call = this.calls.get(news.toolCallId);
    if (call === undefined) return events;
    call.inferred = false;
    call.approval = { approvalId, prompt: `Run ${call.toolName}?${reason === undefined ? "" : ` ${reason}`}` };
    return events;
  }

  progress(news: CallNews, output: unknown): EventInput[] {
    const events = this.executing(news);
    if (this.calls.get(news.toolCallId)?.phase !== "executing") return events;
    return [...events, { type: "tool_progress", data: { toolCallId: news.toolCallId, output: jsonOf(output) } }];
  }

  /** Closes a call, with the steps that its story still lacks: a resumed stream tells of calls it never announced. */
  ended(news: CallNews, end: CallEnd): EventInput[] {
    const events = this.calls.has(news.toolCallId) ? [] : this.propose(news, false);
    const call = this.calls.get(news.toolCallId);
    if (call === undefined || call.phase === "done") return events;
    const neverRan = call.invalid || end.status === "denied";
    // A renewed call is closed in the run's eyes: only a new execution opens it.
    if (call.phase === "proposed" && (!neverRan || call.attempt > 1)) events.push(...this.execute(call));
    call.phase = "done";
    call.inferred = false;
    const { status, durationMs } = end;
    const result = jsonOf(end.output);
    events.push({
      type: "tool_completed",
      data: {
        toolCallId: call.toolCallId,
        status,
        ...(result !== undefined && { result }),
        ...(end.error !== undefined && { error: toolErrorOf(end.error) }),
        ...(durationMs !== undefined && durationMs >= 0 && { durationMs: Math.round(durationMs) }),
      },
    });
    return events;
  }

  /** Questions that a person has not answered. */
  approvals(): OpenApproval[] {
    return [...this.calls.values()].flatMap(({ toolCallId, approval, phase }) =>
      approval === undefined || phase === "done" ? [] : [{ ...approval, toolCallId }],
    );
  }

  get hasOpenCall(): boolean {
    for (const call of this.calls.values()) if (call.phase !== "done") return true;
    return false;
  }

  /** Closes what still executes: its result will not come, and a run cannot complete over an open call. */
  abandon(): EventInput[] {
    return [...this.calls.values()].flatMap((call) =>
      call.phase === "executing" ? this.ended(call, { status: "cancelled" }) : [],
    );
  }

  private add(news: CallNews, announced: boolean, invalid: boolean): Call {
    const call: Call = {
      toolCallId: news.toolCallId,
      toolName: news.toolName ?? unnamedTool,
      args: jsonOf(news.input),
      phase: "proposed",
      attempt: 1,
      announced,
      invalid,
      inferred: false,
    };
    this.calls.set(call.toolCallId, call);
    return call;
  }

  private propose(news: CallNews, invalid: boolean): EventInput[] {
    return [proposed(this.add(news, true, invalid))];
  }

  private renew(call: Call, news: CallNews): void {
    call.phase = "proposed";
    call.attempt += 1;
    call.args = jsonOf(news.input);
    delete call.approval;
  }

  private execute(call: Call): EventInput[] {
    call.phase = "executing";
    call.inferred = false;
    const { toolCallId, toolName, args, attempt } = call;
    const data = { toolCallId, toolName, ...(args !== undefined && { args }), ...(attempt > 1 && { attempt }) };
    return [{ type: "tool_executing", data }];
  }
}

function proposed({ toolCallId, toolName, args, invalid }: Call): EventInput {
  const data = { toolCallId, toolName, ...(args !== undefined && { args }), ...(invalid && { invalid }) };
  return { type: "tool_proposed", data };
}
