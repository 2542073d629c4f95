/** How `tail` shows an item: columns and running text for people, or one JSON object a line for programs. */
import type { StreamEvent } from "../../protocol/event.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { Gap } from "../client/stream-position.ts";
import { shortRun } from "./event-line.ts";
import type { PrinterOptions } from "./event-printer.ts";
import { eventPrinter } from "./event-printer.ts";
import { harmless } from "./paint.ts";

/** A run as it stood when the tail began, or when events of it are known to be missing. */
export interface RunState {
  readonly type: "run";
  readonly run: RunView;
}

export type TailItem = StreamEvent | Gap | RunState;

export interface TailOutput {
  show(item: TailItem): void;
  finish(): void;
}

/** Everything as it is, for a pipe. */
export function jsonOutput(write: (text: string) => void): TailOutput {
  return { show: (item) => write(`${JSON.stringify(item)}\n`), finish: () => {} };
}

const isGap = (item: TailItem): item is Gap => item.type === "gap";
const isRunState = (item: TailItem): item is RunState => item.type === "run";

/** For a terminal, or a file that people read. */
export function terminalOutput(options: PrinterOptions): TailOutput {
  const { write, paint } = options;
  const printer = eventPrinter(options);
  return {
    finish: printer.finish,
    show(item) {
      if (isGap(item)) {
        printer.finish();
        write(`${paint("yellow", `@${item.from} to @${item.upto} will not come: ${item.reason}`)}\n`);
      } else if (isRunState(item)) {
        printer.finish();
        const { run } = item;
        const label = `${run.state} at #${run.seq} @${run.offset}`;
        write(`${paint("blue", shortRun(run.runId))} ${paint("bold", label)}  ${harmless(run.agent)} (${run.runId})\n`);
      } else printer.print(item);
    },
  };
}
