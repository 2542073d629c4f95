/**
 * The steps of a run, in the order in which they happened, folded from its events. `RunView` says what a run is now;
 * this says how it came there, which is what a reader follows. Pure: `run-book` feeds it, the cards draw it.
 */
import type { EventDataOf, RunEvent, TerminalType } from "../../protocol/event.ts";
import type { ToolView } from "../../protocol/run-view.ts";
import { endWords, noteWords } from "./step-words.ts";

interface StepFields {
  readonly key: string;
  /** ISO 8601: when it began. */
  readonly time: string;
  /** The server wrote it, because the runner left it out. */
  readonly repaired?: true;
}

export type StartedStep = StepFields & { readonly kind: "started"; readonly agent: string; readonly prompt?: string };
export type ThinkingStep = StepFields & {
  readonly kind: "thinking";
  readonly number?: number;
  readonly text: string;
  readonly open: boolean;
};
export type ToolStep = StepFields &
  ToolView & {
    readonly kind: "tool";
    readonly startedAt?: string;
    readonly durationMs?: number;
  };
export type AnswerStep = StepFields & {
  readonly kind: "answer";
  readonly messageId: string;
  readonly text: string;
  readonly open: boolean;
};
export type NoteStep = StepFields & { readonly kind: "note"; readonly type: string; readonly text: string };
export type EndStep = StepFields & { readonly kind: "end"; readonly type: TerminalType; readonly text: string };
export type Step = StartedStep | ThinkingStep | ToolStep | AnswerStep | NoteStep | EndStep;

export interface Timeline {
  readonly steps: readonly Step[];
  /** The newest event that is folded in. */
  readonly seq: number;
}

export const emptyTimeline: Timeline = { steps: [], seq: 0 };

/** What a person said: the server of the page starts a run with `{text}`. */
export function promptOf(input: unknown): string | undefined {
  if (typeof input === "string") return input;
  if (typeof input !== "object" || input === null || !("text" in input)) return undefined;
  return typeof input.text === "string" ? input.text : undefined;
}

/** What was streamed is whole once something else happens. */
const closeOpen = (steps: readonly Step[]): readonly Step[] =>
  steps.some((step) => "open" in step && step.open)
    ? steps.map((step) => ("open" in step && step.open ? { ...step, open: false } : step))
    : steps;

/** Changes the newest step that `is` names, or adds one. */
function put<Found extends Step>(
  steps: readonly Step[],
  is: (step: Step) => step is Found,
  change: (found: Found) => Step,
  make: () => Step,
): readonly Step[] {
  const at = steps.findLastIndex(is);
  const found = steps[at];
  return found !== undefined && is(found) ? steps.with(at, change(found)) : [...steps, make()];
}

function foldText(steps: readonly Step[], event: RunEvent, data: EventDataOf<"agent_delta">, whole: boolean) {
  const { messageId, text } = data;
  const { id: key, time } = event;
  const joined = (before: string) => (whole ? text || before : before + text);
  if (data.channel === "tool_args") return steps;
  if (data.channel === "reasoning") {
    const last = steps.at(-1);
    if (last?.kind === "thinking") return steps.with(-1, { ...last, text: joined(last.text), open: !whole });
    return [...closeOpen(steps), { kind: "thinking", key, time, text, open: !whole } as const];
  }
  return put(
    steps.some((step) => step.kind === "thinking" && step.open) ? closeOpen(steps) : steps,
    (step): step is AnswerStep => step.kind === "answer" && step.messageId === messageId,
    (answer) => ({ ...answer, text: joined(answer.text), open: !whole }),
    () => ({ kind: "answer", key, time, messageId, text, open: !whole }),
  );
}

function foldTool(steps: readonly Step[], event: RunEvent): readonly Step[] {
  if (event.type !== "tool_proposed" && event.type !== "tool_executing" && event.type !== "tool_completed")
    return steps;
  const { toolCallId } = event.data;
  const isCall = (step: Step): step is ToolStep => step.kind === "tool" && step.toolCallId === toolCallId;
  const blank = (toolName: string, attempt: number): ToolStep => ({
    kind: "tool",
    key: event.id,
    time: event.time,
    toolCallId,
    toolName,
    attempt,
    status: "proposed",
    ...(event.repaired && { repaired: true }),
  });
  if (event.type === "tool_proposed") {
    const { toolName, args } = event.data;
    // Hooks overtake the stream: a call that runs already is not proposed again.
    return put(
      closeOpen(steps),
      isCall,
      (call) => call,
      () => ({ ...blank(toolName, 1), args }),
    );
  }
  if (event.type === "tool_executing") {
    const { toolName, args, attempt = 1 } = event.data;
    const running = { status: "executing", startedAt: event.time, attempt } as const;
    const isSameTry = (step: Step): step is ToolStep =>
      isCall(step) && (step.status === "proposed" || step.attempt === attempt);
    return put(
      closeOpen(steps),
      isSameTry,
      (call) => ({ ...call, ...running, args: args ?? call.args }),
      () => ({ ...blank(toolName, attempt), ...running, args }),
    );
  }
  const { status, result, error, durationMs } = event.data;
  return put(
    steps,
    isCall,
    (call) => ({
      ...call,
      status,
      result,
      error,
      ...(event.repaired && { repaired: true as const }),
      ...durationOf(durationMs, call.startedAt, event.time),
    }),
    () => ({ ...blank("tool", 1), status, result, error }),
  );
}

/** What the runner measured, or else the time between the two events. */
function durationOf(measured: number | undefined, from: string | undefined, upto: string): { durationMs?: number } {
  if (measured !== undefined) return { durationMs: measured };
  const between = from === undefined ? Number.NaN : Date.parse(upto) - Date.parse(from);
  return Number.isFinite(between) ? { durationMs: Math.max(0, between) } : {};
}

/** Folds one event in; an event that is not newer than what is folded changes nothing. */
export function foldEvent(timeline: Timeline, event: RunEvent): Timeline {
  if (event.seq <= timeline.seq) return timeline;
  return { seq: event.seq, steps: foldStep(timeline.steps, event) };
}

function foldStep(steps: readonly Step[], event: RunEvent): readonly Step[] {
  const fields = { key: event.id, time: event.time, ...(event.repaired && { repaired: true as const }) };
  switch (event.type) {
    case "agent_started": {
      const prompt = promptOf(event.data.input);
      return [
        ...steps,
        { ...fields, kind: "started", agent: event.data.agent, ...(prompt !== undefined && { prompt }) },
      ];
    }
    case "agent_thinking": {
      const { thought = "", step } = event.data;
      return [
        ...closeOpen(steps),
        { ...fields, kind: "thinking", text: thought, open: true, ...(step !== undefined && { number: step }) },
      ];
    }
    case "agent_delta":
      return foldText(steps, event, event.data, false);
    case "agent_message": {
      const { messageId, channel = "text", text = "", role = "assistant" } = event.data;
      return role === "assistant" ? foldText(steps, event, { messageId, channel, text }, true) : steps;
    }
    case "tool_proposed":
    case "tool_executing":
    case "tool_completed":
      return foldTool(steps, event);
    case "tool_progress": {
      const { toolCallId, ...progress } = event.data;
      return steps.map((step) =>
        step.kind === "tool" && step.toolCallId === toolCallId ? { ...step, progress } : step,
      );
    }
    default: {
      const end = endWords(event);
      if (end !== undefined)
        return [...closeOpen(steps), { ...fields, kind: "end", type: event.type as TerminalType, text: end }];
      const note = noteWords(event);
      return note === undefined
        ? steps
        : [...closeOpen(steps), { ...fields, kind: "note", type: event.type, text: note }];
    }
  }
}
