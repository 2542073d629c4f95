/**
 * What a terminal shows of an event: the columns time, run, #seq, @offset, type, and what the event says. Texts come
 * from strangers: `harmless` stands before every one. `tail` hands events in, in stream order.
 */
import type { StreamEvent } from "../../protocol/event.ts";
import type { Colour, Paint } from "./paint.ts";
import { harmless } from "./paint.ts";

const typeColours: Readonly<Record<string, Colour>> = {
  agent_started: "bold",
  agent_thinking: "magenta",
  tool_executing: "yellow",
  tool_completed: "cyan",
  agent_completed: "green",
  agent_failed: "red",
  agent_cancelled: "red",
  agent_interrupted: "red",
  agent_suspended: "blue",
  agent_resumed: "blue",
  approval_resolved: "blue",
  cancel_requested: "yellow",
  cancel_refused: "yellow",
  agent_delta: "dim",
};

const runChars = 8;
const seqChars = 6;
const offsetChars = 8;
const typeChars = 18;
const clockStart = "YYYY-MM-DDT".length;
const clockEnd = clockStart + "HH:MM:SS.mmm".length;

/** Enough of an id to tell runs apart: a UUIDv7 differs at its end. */
export const shortRun = (runId: string | undefined): string => (runId ?? "notice").slice(-runChars).padEnd(runChars);

function brief(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** An input that is nothing but a text. */
function prompt(input: unknown): unknown {
  if (typeof input !== "object" || input === null || !("text" in input)) return input;
  return Object.keys(input).length === 1 ? input.text : input;
}

/** Once for a run its whole id, to be copied. */
const wholeRun = (runId: string): string => (runId.length > runChars ? `(${runId})` : "");

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join("  ");

/** The call's name is only in the event that opened it. */
export type ToolNames = Map<string, string>;
const callKey = (event: StreamEvent, toolCallId: string) => `${event.runId ?? ""} ${toolCallId}`;

function says(event: StreamEvent, tools: ToolNames): string {
  switch (event.type) {
    case "agent_started":
      return joined(event.data.agent, brief(prompt(event.data.input)), wholeRun(event.runId));
    case "agent_thinking":
      return event.data.thought ?? "";
    case "tool_proposed":
    case "tool_executing":
      tools.set(callKey(event, event.data.toolCallId), event.data.toolName);
      return joined(event.data.toolName, brief(event.data.args));
    case "tool_progress": {
      const { toolCallId, ...progress } = event.data;
      return joined(tools.get(callKey(event, toolCallId)) ?? toolCallId, brief(progress));
    }
    case "tool_completed": {
      const { toolCallId, status, result, error, durationMs } = event.data;
      const name = tools.get(callKey(event, toolCallId)) ?? toolCallId;
      const took = durationMs === undefined ? "" : `${Math.round(durationMs)} ms`;
      return joined(name, status, took, brief(status === "ok" ? result : (error ?? result)));
    }
    case "agent_completed":
      return brief(event.data.output);
    case "agent_failed":
      return joined(event.data.error.code, event.data.error.message);
    case "agent_cancelled":
    case "cancel_requested":
      return joined(event.data.reason ?? "", event.data.by === undefined ? "" : `by ${event.data.by}`);
    case "agent_interrupted":
    case "cancel_refused":
      return event.data.reason ?? "";
    case "agent_suspended":
      return joined(
        event.data.reason,
        ...(event.data.approvals ?? []).map(({ prompt, approvalId }) => prompt ?? approvalId),
      );
    case "agent_delta":
      return event.data.text;
    case "agent_message":
      return event.data.text ?? "";
    case "agent_handoff":
      return `${event.data.from} → ${event.data.to}`;
    default:
      return Object.keys(event.data).length === 0 ? "" : brief(event.data);
  }
}

/** An event's line without its newline, cut to `columns` where the output has a width. */
export function eventLine(event: StreamEvent, tools: ToolNames, paint: Paint, columns: number | undefined): string {
  const { prefix, width } = eventPrefix(event, event.type, paint);
  const text = harmless(says(event, tools)).replaceAll(/\s*\n\s*/g, " ");
  const marked = event.repaired === true ? joined("(repaired)", text) : text;
  return `${prefix}${cut(marked, columns === undefined ? undefined : columns - width)}`.trimEnd();
}

/** The columns before an event's text, and how wide they are on a screen. */
export function eventPrefix(event: StreamEvent, label: string, paint: Paint): { prefix: string; width: number } {
  const colour = typeColours[event.type] ?? "dim";
  const cells: readonly (readonly [Colour, string])[] = [
    ["dim", event.time.slice(clockStart, clockEnd).padEnd(clockEnd - clockStart)],
    ["blue", shortRun(event.runId)],
    ["dim", `#${event.seq ?? "-"}`.padStart(seqChars)],
    ["dim", `@${event.offset}`.padStart(offsetChars)],
    [colour, label.padEnd(typeChars)],
  ];
  return {
    prefix: `${cells.map(([shade, text]) => paint(shade, text)).join(" ")} `,
    width: cells.reduce((sum, [, text]) => sum + text.length + 1, 0),
  };
}

const minTextColumns = 20;

function cut(text: string, columns: number | undefined): string {
  if (columns === undefined || text.length <= columns) return text;
  return `${text.slice(0, Math.max(minTextColumns, columns) - 1).toWellFormed()}…`;
}
