/** What a write that the log did not take means for the run, and for who waits for it. */
import { Fenced, LogFull, LogUnavailable, RunEnded } from "../errors.ts";
import type { Appended } from "../log/event-log.ts";
import type { RunEnd } from "./run-host.ts";

const retryAfterMs = 1_000;

type Refused = Exclude<Appended, { kind: "appended" }>;

/** Why the run is forgotten after this answer (or this rejection) of the log. */
export function endOf(cause: unknown): RunEnd {
  const refused = cause as Refused | undefined;
  if (refused?.kind === "run_ended") return refused.ended;
  return refused?.kind === "fenced" ? "fenced" : "unknown";
}

/** What the publisher is told. */
export function breakdownError(cause: unknown): Error {
  if (cause instanceof LogUnavailable || cause instanceof LogFull) return cause;
  const refused = cause as Refused | undefined;
  switch (refused?.kind) {
    case "fenced":
      return new Fenced({ message: "another runner has claimed this run" });
    // `seq_conflict` is no answer to who named no seq, and who did asks again and hears it from the rebuilt run.
    case "run_ended":
      return new RunEnded({ state: refused.ended });
    default:
      return new LogUnavailable({ message: "the log did not take the events; repeat the call", retryAfterMs, cause });
  }
}
