/** What an examination has to say against a runner: each rule that it broke, with the way there. */
import type { EventInput } from "../../../protocol/event.ts";
import type { Schedule } from "./schedule.ts";

/**
 * - `illegal-order`: the run machine refuses an event.
 * - `refused`: the door refuses it for another reason: malformed, names another user, a key with two bodies.
 * - `after-end`: it says something after its own terminal.
 * - `tool-outlives-run`: it ended the run while one of its tools still ran; that tool's result is lost.
 * - `left-open`: it is done, and its run lives on; suspended, when it was answered and called again ten times.
 * - `tool-left-open`: it is done, and a call of its run still executes.
 * - `never-settles`: all that it waits for is there, and it does not come to an end.
 * - `ignores-cancel`: it was asked to stop, and went on, or had to be ended at the deadline.
 * - `ignores-loss`: it was told that the run is another's or over, and went on.
 * - `lost-unnoticed`: the log did not take what it said, and it did not look.
 * - `unhandled-rejection`: a promise of its own rejected, and nobody caught it: this ends a process.
 */
export type RunnerRule =
  | "illegal-order"
  | "refused"
  | "after-end"
  | "tool-outlives-run"
  | "left-open"
  | "tool-left-open"
  | "never-settles"
  | "ignores-cancel"
  | "ignores-loss"
  | "lost-unnoticed"
  | "unhandled-rejection";

export interface Finding {
  readonly rule: RunnerRule;
  /** One sentence: what happened, and why that is wrong. */
  readonly message: string;
  /** The event at fault, when there is one. */
  readonly event?: EventInput | undefined;
  /** The run's state then. */
  readonly state?: string | undefined;
  /** Every type that would have been legal. */
  readonly legal?: readonly string[] | undefined;
  /** What the runner had said before, and was not refused. */
  readonly before: readonly EventInput[];
}

/** A finding with the shortest way to it that was found. */
export interface Report extends Finding {
  readonly schedule: Schedule;
  /** Of the random schedule that showed it first; undefined: one of the systematic ones did. */
  readonly seed: number | undefined;
  /** Everything that happened in that play, line by line. */
  readonly story: readonly string[];
  /** How many of the plays showed it. */
  count: number;
}

/** The same mistake: ids and numbers aside. */
export function keyOf({ rule, event, message }: Finding): string {
  if (rule === "unhandled-rejection" || rule === "left-open") return rule;
  const why = rule === "illegal-order" || rule === "refused" ? message.replaceAll(/[\w-]*\d[\w-]*/g, "#") : "";
  return `${rule} ${event?.type ?? ""} ${why}`;
}
