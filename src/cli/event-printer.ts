/**
 * Prints a stream of events for people, one line each; the deltas of one message run on as one text, as they come.
 * Another event in between ends the text's line, and the text begins a new one after it.
 */
import type { RunEvent, StreamEvent } from "../../protocol/event.ts";
import { isTerminalType } from "../../protocol/event.ts";
import type { ToolNames } from "./event-line.ts";
import { eventLine, eventPrefix } from "./event-line.ts";
import type { Paint } from "./paint.ts";
import { harmless } from "./paint.ts";

const channelLabels = { text: "text", reasoning: "reasoning", tool_args: "tool args" } as const;

const textKey = (messageId: string, channel = "text"): string => `${channel} ${messageId}`;

export interface EventPrinter {
  print(event: StreamEvent): void;
  /** Ends a text that is still running on. */
  finish(): void;
}

export interface PrinterOptions {
  readonly write: (text: string) => void;
  readonly paint: Paint;
  /** The width to cut lines to; undefined: never cut. */
  readonly columns: () => number | undefined;
}

/** Makes a printer. */
export function eventPrinter({ write, paint, columns }: PrinterOptions): EventPrinter {
  const tools: ToolNames = new Map();
  /** Texts of living runs that were shown by deltas, by run and message: what closes them would say them twice. */
  const streamed = new Map<string, Map<string, string>>();
  let open: { readonly message: string; readonly indent: string } | undefined;

  const finish = () => {
    if (open !== undefined) write("\n");
    open = undefined;
  };

  const printDelta = (event: RunEvent<"agent_delta">) => {
    const { messageId, channel, text } = event.data;
    const message = `${event.runId} ${messageId} ${channel}`;
    if (open?.message !== message) {
      finish();
      const { prefix, width } = eventPrefix(event, channelLabels[channel], paint);
      write(prefix);
      open = { message, indent: " ".repeat(width) };
    }
    const texts = streamed.get(event.runId) ?? new Map<string, string>();
    const key = textKey(messageId, channel);
    streamed.set(event.runId, texts.set(key, (texts.get(key) ?? "") + text));
    const shown = harmless(text).replaceAll("\n", `\n${open.indent}`);
    write(channel === "text" ? shown : paint("dim", shown));
  };

  /** Whether the event only says again, as a whole, what the screen has. */
  const isKnown = (event: StreamEvent): boolean => {
    const texts = streamed.get(event.runId ?? "");
    if (event.type === "agent_message") return texts?.has(textKey(event.data.messageId, event.data.channel)) === true;
    const output = event.type === "agent_completed" ? event.data.output : undefined;
    return typeof output === "string" && [...(texts?.values() ?? [])].includes(output);
  };

  return {
    finish,
    print(event) {
      if (event.type === "agent_delta") {
        printDelta(event as RunEvent<"agent_delta">);
        return;
      }
      finish();
      const known = isKnown(event);
      if (isTerminalType(event.type)) streamed.delete(event.runId ?? "");
      if (event.type === "agent_message" && known) return;
      write(
        `${known ? eventPrefix(event, event.type, paint).prefix.trimEnd() : eventLine(event, tools, paint, columns())}\n`,
      );
    },
  };
}
