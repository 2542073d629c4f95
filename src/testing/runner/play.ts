/**
 * One play of a runner: a world in memory, the runner in it, and a schedule that settles one thing after the other.
 * Nothing happens at the same time, so the same schedule plays the same; what was seen is judged at the end.
 */
import type { EventInput, StreamEvent } from "../../../protocol/event.ts";
import type { RunProfile } from "../../../machines/run.ts";
import type { Run } from "../../runtime/run-handle.ts";
import type { TestRuncastOptions } from "../test-runcast.ts";
import type { Finding } from "./finding.ts";
import { PlayWorld } from "./play-world.ts";
import { calm, type Extent, type Schedule } from "./schedule.ts";
import type { Stage } from "./stage.ts";
import { findingsOf } from "./verdict.ts";

/**
 * What is examined: a function that drives a run. It may also give an async iterable of events, which are then
 * published one after the other.
 */
export type Runner<Input = unknown> = (run: Run, stage: Stage<Input>) => unknown;

export interface PlayOptions<Input = unknown> {
  /** What `stage.input` and the run's `agent_started` bear. */
  readonly input?: Input | undefined;
  /** Default `standard`. */
  readonly profile?: RunProfile | undefined;
  /** Whether the runner may be started again, with a claimed handle, after its process was killed. Default false. */
  readonly restarts?: boolean | undefined;
  /** New work that a runner may still publish after its signal has aborted. Default 3. */
  readonly maxEventsAfterCancel?: number | undefined;
  /** A play that takes more steps never ends. Default 1,000. */
  readonly maxSteps?: number | undefined;
  /** Real milliseconds to wait for something that the schedule does not know of. Default 200. */
  readonly patienceMs?: number | undefined;
  /** More of the world: `onCommand`, `contamination`, limits. */
  readonly runcast?: Omit<TestRuncastOptions, "store" | "clock" | "seed" | "leaseMs" | "graceMs"> | undefined;
}

export interface Played {
  /** The one that was given, without the choices that no step asked for. */
  readonly schedule: Schedule;
  /** What stands in the log of the run's user. */
  readonly events: readonly StreamEvent[];
  /** Everything that the runner tried to publish, refused or not, in order. */
  readonly said: readonly EventInput[];
  readonly findings: readonly Finding[];
  /** Everything that happened, line by line. */
  readonly story: readonly string[];
  readonly extent: Extent;
}

const defaultMaxSteps = 1_000;
const defaultPatienceMs = 200;
const defaultMaxEventsAfterCancel = 3;

/**
 * Plays a runner once. For tests with questions of their own; `examineRunner` plays it often and asks the usual ones.
 *
 * Shape: what the log holds, what was said, what was wrong.
 * Fails: when the world itself cannot be made (`InvalidConfig`).
 */
export async function playRunner<Input = unknown>(
  runner: Runner<Input>,
  schedule: Schedule = calm,
  options: PlayOptions<Input> = {},
): Promise<Played> {
  const { maxSteps = defaultMaxSteps, patienceMs = defaultPatienceMs } = options;
  const rejections: unknown[] = [];
  const stopHearing = hearRejections((error) => rejections.push(error));
  const world = await PlayWorld.open({ ...options, runner: runner as Runner, schedule });
  try {
    for (let step = 1; step <= maxSteps; step += 1) {
      await world.rest();
      if (!(await world.next(step, patienceMs))) break;
    }
    await world.rest();
    const { notes, wasAsked, extent, settled } = world;
    const view = await world.view();
    const { maxEventsAfterCancel = defaultMaxEventsAfterCancel } = options;
    return {
      schedule: world.schedule,
      events: await world.events(),
      said: notes.attempts.flatMap(({ events }) => events),
      findings: findingsOf({ notes, view, settled, rejections, wasAsked, maxEventsAfterCancel }),
      story: notes.story,
      extent,
    };
  } finally {
    stopHearing();
    await world.close();
  }
}

/** Hears of promises that nobody catches, in the test runner's place. The answer gives the place back. */
function hearRejections(hear: (error: unknown) => void): () => void {
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", hear);
  return () => {
    process.off("unhandledRejection", hear);
    for (const other of others) process.on("unhandledRejection", other);
  };
}
