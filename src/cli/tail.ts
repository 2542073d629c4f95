/**
 * `runcast tail`: shows a run, or a user's stream, as it happens. What is followed comes from `tail-target`, the
 * items from `tail-source`; here they are printed, and the run's end becomes the exit code.
 */
import { once } from "node:events";
import { isTerminalType } from "../../protocol/event.ts";
import { isOver } from "../client/run-store.ts";
import type { Arguments } from "./command-line.ts";
import { paintFor } from "./paint.ts";
import type { TailItem, TailOutput } from "./tail-output.ts";
import { jsonOutput, terminalOutput } from "./tail-output.ts";
import { followRun, followUser } from "./tail-source.ts";
import { readTarget } from "./tail-target.ts";

/** Completed is success; every other end is told apart from a failure of the command itself. */
const runEndedBadly = 3;
const interrupted = 130;

/** Whether the item is the run's end: undefined, or whether it is the good one. */
function endOf(item: TailItem): "good" | "bad" | undefined {
  if (item.type === "run") {
    if (!isOver(item.run)) return undefined;
    return item.run.state === "completed" ? "good" : "bad";
  }
  if (!isTerminalType(item.type)) return undefined;
  return item.type === "agent_completed" ? "good" : "bad";
}

function outputFor(given: Arguments, stdout: NodeJS.WriteStream): TailOutput {
  const write = (text: string): void => void stdout.write(text);
  if (given.has("json")) return jsonOutput(write);
  return terminalOutput({ write, paint: paintFor(stdout), columns: () => (stdout.isTTY ? stdout.columns : undefined) });
}

export async function tail(given: Arguments): Promise<number> {
  const target = await readTarget(given);
  const { stdout, stderr } = process;
  const output = outputFor(given, stdout);
  const exitCodes = { SIGINT: interrupted, SIGTERM: 0 };
  for (const [signal, exitCode] of Object.entries(exitCodes)) {
    process.on(signal, () => {
      output.finish();
      process.exit(exitCode);
    });
  }
  const notice = (text: string): void => {
    stderr.write(`${paintFor(stderr)("dim", text)}\n`);
  };

  const { runId } = target;
  const items =
    runId === undefined
      ? followUser(target, notice, (item) => output.show(item))
      : followRun({ ...target, runId }, notice);
  for await (const item of items) {
    output.show(item);
    // A slow reader of the pipe slows us, and through the client the server: nothing piles up here.
    if (stdout.writableNeedDrain) await once(stdout, "drain");
    const end = runId === undefined ? undefined : endOf(item);
    if (end === undefined) continue;
    output.finish();
    return end === "good" ? 0 : runEndedBadly;
  }
  return 0;
}
