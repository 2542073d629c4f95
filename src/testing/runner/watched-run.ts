/**
 * The real handle of a run, watched: everything that a runner tries to publish is noted with what became of it, and
 * the tools that it runs are executed by the schedule. It refuses nothing itself: the door does.
 */
import type { EventInput } from "../../../protocol/event.ts";
import { isTerminalType } from "../../../protocol/event.ts";
import type { Run, ToolCall } from "../../runtime/run-handle.ts";
import { Receipt } from "../../runtime/receipt.ts";
import type { ToolBench } from "./stage.ts";

export interface Attempt {
  readonly events: readonly EventInput[];
  /** The run had been asked to stop, and its signal had said so. */
  readonly afterAbort: boolean;
  /** It comes from `run.tool`, which closes a call whatever has become of the run meanwhile. */
  readonly byTool: boolean;
  /** The runner waits for the answer, or at least would hear a refusal. */
  isObserved: boolean;
  answer: "pending" | "accepted" | { readonly refusal: unknown };
}

/** What a play has seen of its runner, over all its attempts. */
export interface Notes {
  readonly attempts: Attempt[];
  /** One line for everything that happened, in order. */
  readonly story: string[];
}

/** `isAborted`: asked at each publish. */
export function watchedRun(run: Run, bench: ToolBench, notes: Notes, isAborted: () => boolean): Run {
  /** Calls that `run.tool` has opened. */
  const ownCalls = new Set<string>();
  let isEntering = false;

  const isByTool = (event: EventInput | undefined): boolean => {
    if (event?.type === "tool_executing" && isEntering) ownCalls.add(event.data.toolCallId);
    return event?.type === "tool_completed" && ownCalls.has(event.data.toolCallId);
  };

  const emit: Run["emit"] = (said) => {
    const events: readonly EventInput[] = Array.isArray(said) ? said : [said as EventInput];
    const attempt: Attempt = {
      events,
      afterAbort: isAborted(),
      byTool: events.length === 1 && isByTool(events[0]),
      isObserved: false,
      answer: "pending",
    };
    notes.attempts.push(attempt);
    notes.story.push(`the runner says ${events.map(eventWords).join(", ")}`);
    const answer = Promise.resolve(run.emit(events));
    answer.then(
      () => {
        attempt.answer = "accepted";
      },
      (refusal: unknown) => {
        attempt.answer = { refusal };
        notes.story.push(`  refused: ${refusalWords(refusal)}`);
      },
    );
    return new Receipt(() => {
      attempt.isObserved = true;
      return answer;
    });
  };

  const tool = <Result>(call: ToolCall, execute: (signal: AbortSignal) => Result | Promise<Result>) => {
    isEntering = true;
    try {
      // The real one, over the watched `emit`.
      return run.tool.call(watched, call, (signal) =>
        bench.execute(call.toolName, () => execute(signal)),
      ) as Promise<Result>;
    } finally {
      isEntering = false;
    }
  };

  const watched: Run = Object.create(run, { emit: { value: emit }, tool: { value: tool } }) as Run;
  return watched;
}

const maxIdChars = 20;
const idEndChars = 4;

/** An event in a word or two. */
export function eventWords(event: EventInput): string {
  const call: unknown = Reflect.get(Object(event.data), "toolCallId");
  if (typeof call !== "string") return event.type;
  const name: unknown = Reflect.get(event.data, "toolName");
  // Of a generated id the end is what tells it from others.
  const id = call.length > maxIdChars ? `…${call.slice(-idEndChars)}` : call;
  return `${event.type}(${typeof name === "string" ? `${name} ` : ""}${id})`;
}

export const isTerminal = ({ type }: EventInput): boolean => isTerminalType(type);

export const tagOf = (error: unknown): string => {
  const tag: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "_tag") : undefined;
  return typeof tag === "string" ? tag : "";
};

export function refusalWords(refusal: unknown): string {
  const message = refusal instanceof Error ? refusal.message : String(refusal);
  return [tagOf(refusal), message].filter((word) => word !== "").join(": ");
}
