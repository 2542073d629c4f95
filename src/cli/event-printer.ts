/**
 * Prints a stream of events for people, one line each; the deltas of one message run on as one text, as they come.
 * Another event in between ends the text's line, and the text begins a new one after it.
 */
import type { RunEvent, StreamEvent } from "../../protocol/event.ts";
import type { ToolNames } from "./event-line.ts";
import { eventLine, eventPrefix } from "./event-line.ts";
import type { Paint } from "./paint.ts";
import { harmless } from "./paint.ts";

const channelLabels = { text: "text", reasoning: "reasoning", tool_args: "tool args" } as const;

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
  /** Messages whose text was shown by deltas: the closing `agent_message` would say it twice. */
  const streamed = new Set<string>();
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
      streamed.add(`${event.runId} ${messageId}`);
    }
    const shown = harmless(text).replaceAll("\n", `\n${open.indent}`);
    write(channel === "text" ? shown : paint("dim", shown));
  };

  return {
    finish,
    print(event) {
      if (event.type === "agent_delta") {
        printDelta(event as RunEvent<"agent_delta">);
        return;
      }
      if (event.type === "agent_message" && streamed.delete(`${event.runId ?? ""} ${event.data.messageId}`)) {
        finish();
        return;
      }
      finish();
      write(`${eventLine(event, tools, paint, columns())}\n`);
    },
  };
}
