/** Sets a runner to work, whichever form it has: a function that does all itself, or one that gives events. */
import type { EventInput } from "../../../protocol/event.ts";
import type { Run } from "../../runtime/run-handle.ts";
import type { Runner } from "./play.ts";
import type { Stage } from "./stage.ts";

/** Settles as the runner does. */
export async function drive(runner: Runner, run: Run, stage: Stage): Promise<void> {
  const given = await runner(run, stage);
  if (isStream(given)) for await (const event of given) await run.emit(event);
}

function isStream(given: unknown): given is AsyncIterable<EventInput> {
  return typeof given === "object" && given !== null && Symbol.asyncIterator in given;
}
