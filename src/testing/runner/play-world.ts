/**
 * The world of one play: a Runcast in memory, the runner at work in it, and what the schedule may do to both. Between
 * `playRunner`, which says when, and the test world, which does it.
 */
import type { StreamEvent } from "../../../protocol/event.ts";
import type { RunView } from "../../../protocol/run-view.ts";
import { memoryLog } from "../../log/memory.ts";
import type { EventLog } from "../../log/event-log.ts";
import type { Run } from "../../runtime/run-handle.ts";
import { testWorld } from "../make-test-runcast.ts";
import { type ManualClock, manualClock, turn } from "../manual-clock.ts";
import type { TestRuncast } from "../test-runcast.ts";
import { drive } from "./drive.ts";
import { lossWords, otherNode } from "./other-node.ts";
import { comesInTime } from "./patience.ts";
import { People } from "./people.ts";
import type { PlayOptions, Runner } from "./play.ts";
import { type Extent, isTimed, type Schedule, type Twist, placesOf, type TwistKind, withoutTail } from "./schedule.ts";
import { type Stage, ToolBench, WatchedClock } from "./stage.ts";
import { Steps } from "./steps.ts";
import type { Ending } from "./verdict.ts";
import { type Notes, refusalWords, watchedRun } from "./watched-run.ts";

export interface PlayTerms extends Pick<PlayOptions, "input" | "profile" | "restarts" | "runcast"> {
  readonly runner: Runner;
  readonly schedule: Schedule;
}

const userId = "user";
const runId = "run";
const leaseMs = 10_000;
const graceMs = 5_000;
const cancelDeadlineMs = 10_000;
/** The deadline wheel's tick, and then some. */
const tickMs = 100;
/** How long somebody who never answers an approval is waited for. */
const approvalMs = 3_600_000;
/** A runner that is suspended again and again is left so. */
const maxAttempts = 10;
/** Turns of the event loop until promises have come to rest. */
const restTurns = 2;

export class PlayWorld {
  readonly notes: Notes = { attempts: [], story: [] };
  wasAsked = false;
  settled: Ending["settled"] = "pending";
  private readonly made: number[] = [];
  private readonly terms: PlayTerms;
  private readonly steps = new Steps();
  private readonly twists: Twist[];
  private readonly bench: ToolBench;
  private readonly people: People;
  private readonly clock: ManualClock;
  private readonly store: EventLog;
  private runcast!: TestRuncast;
  private handle: Run | undefined;
  private time: WatchedClock;
  private isPlaying = false;
  private stepCount = 0;
  private appendCount = 0;
  private attempt = 0;
  private askedAtMono: number | undefined;

  private constructor(terms: PlayTerms) {
    this.terms = terms;
    this.clock = manualClock();
    this.store = memoryLog({ random: this.clock.random });
    this.time = new WatchedClock(this.clock);
    this.twists = [...terms.schedule.twists].sort((a, b) => a.at - b.at);
    this.people = new People(terms.schedule);
    this.bench = new ToolBench(this.steps, new Set(this.places("toolFails")));
  }

  static async open(terms: PlayTerms): Promise<PlayWorld> {
    const world = new PlayWorld(terms);
    const options = { ...terms.runcast, store: world.store, clock: world.clock, leaseMs, graceMs };
    world.runcast = await testWorld(options, () => world.beforeAppend());
    const { profile = "standard", input } = terms;
    const body = { userId, runId, agent: "runner", profile, ...(input !== undefined && { input }) };
    const run = await world.runcast.startRun(body);
    world.isPlaying = true;
    world.begin(run);
    return world;
  }

  get extent(): Extent {
    return { steps: this.stepCount, tools: this.bench.count, appends: this.appendCount, approvals: this.people.count };
  }

  /** The schedule that was played, without the choices that no step asked for. */
  get schedule(): Schedule {
    return { twists: this.terms.schedule.twists, choices: withoutTail(Array.from(this.made, (made) => made ?? 0)) };
  }

  async rest(): Promise<void> {
    for (let count = 0; count < restTurns; count += 1) await turn();
  }

  /** Lets one thing happen. False: nothing is left that could. */
  async next(step: number, patienceMs: number): Promise<boolean> {
    this.stepCount = step;
    for (let twist = this.due(step); twist; twist = this.due(step)) {
      await this.bend(twist);
      await this.rest();
    }
    const waitMs = this.time.nextInMs;
    const width = this.steps.count + (waitMs === undefined ? 0 : 1);
    if (width > 0) {
      const choice = (this.terms.schedule.choices[step - 1] ?? 0) % width;
      this.made[step - 1] = choice;
      if (choice < this.steps.count) this.tell(this.steps.release(choice));
      else await this.pass(waitMs ?? 0);
      return true;
    }
    return this.idle(patienceMs);
  }

  view(): Promise<RunView> {
    return this.runcast.run(runId);
  }

  events(): Promise<readonly StreamEvent[]> {
    return this.runcast.events(userId);
  }

  /** Whoever still waits, waits for ever: the world is over. */
  async close(): Promise<void> {
    this.isPlaying = false;
    this.time.kill();
    this.steps.forget();
    this.runcast.kill();
    await this.store.close();
  }

  /** Nothing waits for the schedule: time, a human, a deadline, or somebody outside may still bring something. */
  private async idle(patienceMs: number): Promise<boolean> {
    const { state, approvals } = await this.view();
    if (state === "suspended" && this.attempt < maxAttempts) {
      const open = approvals.filter(({ decision, approvalId }) => !decision && !this.people.wereAsked(approvalId));
      for (const { approvalId } of open) await this.ask(approvalId);
      // The answers are on their way to the log, and must be there before the runner goes on.
      if (open.length > 0) return true;
      if (this.settled !== "pending") {
        this.begin(undefined);
        return true;
      }
    }
    if (this.settled !== "pending") return false;
    const early = this.twists.find(({ kind }) => isTimed(kind));
    if (early) {
      await this.bend(early);
      return true;
    }
    const deadlineMono = (this.askedAtMono ?? Number.NEGATIVE_INFINITY) + cancelDeadlineMs + tickMs;
    if (this.clock.mono() < deadlineMono) {
      await this.pass(deadlineMono - this.clock.mono());
      return true;
    }
    const seen = this.notes.story.length;
    const hasNews = (): boolean =>
      this.notes.story.length > seen ||
      this.steps.count > 0 ||
      this.time.nextInMs !== undefined ||
      this.settled !== "pending";
    return comesInTime(patienceMs, hasNews);
  }

  private tell(line: string): void {
    this.notes.story.push(line);
  }

  private readonly places = (kind: TwistKind) => placesOf(this.terms.schedule, kind);

  private due(step: number): Twist | undefined {
    return this.twists.find(({ kind, at }) => isTimed(kind) && at <= step);
  }

  private async beforeAppend(): Promise<void> {
    if (!this.isPlaying) return;
    await this.steps.wait("the log takes an append");
    this.appendCount += 1;
    if (this.places("logUnavailable").includes(this.appendCount)) this.spoil("unavailable");
    else if (this.places("logUnknown").includes(this.appendCount)) this.spoil("unknown");
  }

  private spoil(fault: "unavailable" | "unknown"): void {
    this.tell(fault === "unavailable" ? "  and does not write it" : "  and its answer is lost");
    this.runcast.log.failAppend(fault);
  }

  private async pass(ms: number): Promise<void> {
    this.tell(`${ms} ms pass`);
    await this.clock.advance(ms);
  }

  /** Sets the runner to work: on a run that is given, or once more on the one that it had. */
  private begin(run: Run | undefined): void {
    if (run) this.handle = this.watched(run);
    const handle = this.handle;
    if (handle === undefined) return;
    this.attempt += 1;
    this.settled = "pending";
    const { attempt, time } = this;
    if (attempt > 1) this.tell(`the runner is called again (attempt ${attempt})`);
    const settle = (how: Ending["settled"], line: string): void => {
      // What a former life of it comes to is nobody's.
      if (attempt !== this.attempt || time !== this.time) return;
      this.settled = how;
      this.tell(line);
    };
    drive(this.terms.runner, handle, this.stage()).then(
      () => settle("resolved", "the runner resolves"),
      (error: unknown) => settle({ error }, `the runner rejects: ${refusalWords(error)}`),
    );
  }

  private watched(run: Run): Run {
    return watchedRun(run, this.bench, this.notes, () => this.askedAtMono !== undefined && run.signal.aborted);
  }

  private stage(): Stage {
    const { bench, steps } = this;
    return {
      input: this.terms.input,
      attempt: this.attempt,
      decisions: { ...this.people.decisions },
      clock: this.time,
      runcast: this.runcast,
      tool:
        (name, execute) =>
        (...args) =>
          bench.execute(name, () => execute(...args)),
      pause: (what = "a pause") => steps.wait(`${what} is over`),
    };
  }

  private async bend(twist: Twist): Promise<void> {
    this.twists.splice(this.twists.indexOf(twist), 1);
    const { state } = await this.view();
    if (state === "completed" || state === "failed" || state === "cancelled" || state === "interrupted") return;
    switch (twist.kind) {
      case "cancel":
        return this.cancel();
      case "lapse":
      case "takeover":
        // Whatever ends the run now, it is not the runner's silence.
        this.wasAsked = false;
        return this.loseRun(twist.kind);
      case "crash":
        return this.crash();
      default:
    }
  }

  private cancel(): void {
    this.tell("somebody asks the run to stop");
    this.wasAsked ||= this.settled === "pending";
    this.askedAtMono = this.clock.mono();
    // Refused when the run ends meanwhile.
    this.runcast.cancel(runId, { reason: "enough", deadlineMs: cancelDeadlineMs }).catch(() => {});
  }

  private async loseRun(kind: "lapse" | "takeover"): Promise<void> {
    const { store, clock, runcast } = this;
    this.tell(lossWords[kind]);
    await otherNode[kind](runcast, { store, clock, leaseMs, graceMs }, runId);
  }

  private async crash(): Promise<void> {
    if (this.terms.restarts !== true) return;
    this.tell("the process is killed");
    this.time.kill();
    this.steps.forget();
    this.time = new WatchedClock(this.clock);
    this.askedAtMono = undefined;
    this.wasAsked = false;
    this.isPlaying = false;
    this.runcast = await this.runcast.crash();
    const run = await this.runcast.claim(runId);
    this.isPlaying = true;
    this.begin(run);
  }

  private async ask(approvalId: string): Promise<void> {
    const decision = this.people.decide(approvalId);
    if (decision === "expired") {
      // A deadline that passes meanwhile is not its fault, unless it is still at work.
      this.wasAsked &&= this.settled === "pending";
      return this.pass(approvalMs);
    }
    this.tell(`approval ${approvalId}: ${decision}`);
    // Written behind the log's gate, which the schedule opens.
    this.runcast.resolveApproval(approvalId, { decision }).catch(() => {});
  }
}
