/**
 * What a runner under examination stands on, beside its run: tools and pauses that the schedule settles, the clock,
 * and the answers that a suspended run got.
 */
import type { Clock } from "../../platform/clock.ts";
import type { TestRuncast } from "../test-runcast.ts";
import type { Steps } from "./steps.ts";

export type Decision = "approve" | "deny" | "expired";

export interface Stage<Input = unknown> {
  /** The run's input, as the examination was given it. */
  readonly input: Input;
  /** 1; higher when the runner is called again, for a run that was suspended or whose process was killed. */
  readonly attempt: number;
  /** By approval id: what became of what the run asked for before this attempt. */
  readonly decisions: Readonly<Record<string, Decision>>;
  /** Time and timers, for code that takes a clock. */
  readonly clock: Clock;
  /** Where the run lives. */
  readonly runcast: TestRuncast;
  /**
   * A function as a tool: its call settles when the schedule says so, and sometimes rejects. For runners that say
   * `tool_executing` themselves; what goes through `run.tool` is scheduled already.
   */
  tool<Args extends readonly unknown[], Result>(
    name: string,
    execute: (...args: Args) => Result | Promise<Result>,
  ): (...args: Args) => Promise<Result>;
  /** A moment that lasts as long as the schedule likes: stands for whatever else the agent waits for. */
  pause(what?: string): Promise<void>;
}

/** What a tool rejects with when the schedule makes it fail. */
export class ToolFailed extends Error {
  override readonly name = "ToolFailed";
  constructor(tool: string) {
    super(`${tool} fails on purpose`);
  }
}

/** Executes tools in the schedule's order; counts them, and lets those fail that are to. */
export class ToolBench {
  count = 0;
  private readonly steps: Steps;
  private readonly failing: ReadonlySet<number>;

  constructor(steps: Steps, failing: ReadonlySet<number>) {
    this.steps = steps;
    this.failing = failing;
  }

  async execute<Result>(name: string, execute: () => Result | Promise<Result>): Promise<Result> {
    this.count += 1;
    const isFailing = this.failing.has(this.count);
    const which = `${name} (tool ${this.count})`;
    await this.steps.wait(`${which} ${isFailing ? "fails" : "works"}`);
    if (isFailing) throw new ToolFailed(name);
    const result = await execute();
    await this.steps.wait(`${which} answers`);
    return result;
  }
}

/** A clock that knows whether somebody waits for it. */
export class WatchedClock implements Clock {
  private readonly clock: Clock;
  private readonly due = new Map<object, number>();
  private isDead = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  now = (): number => this.clock.now();
  mono = (): number => this.clock.mono();
  random = (count: number): Uint8Array => this.clock.random(count);

  after = (delayMs: number, task: () => void): (() => void) => {
    const timer = {};
    this.due.set(timer, this.clock.mono() + Math.max(0, delayMs));
    const cancel = this.clock.after(delayMs, () => {
      this.due.delete(timer);
      if (!this.isDead) task();
    });
    return () => {
      this.due.delete(timer);
      cancel();
    };
  };

  /** Milliseconds until its next timer; undefined when there is none. */
  get nextInMs(): number | undefined {
    const first = Math.min(...this.due.values());
    return Number.isFinite(first) ? Math.max(0, first - this.clock.mono()) : undefined;
  }

  kill(): void {
    this.isDead = true;
    this.due.clear();
  }
}
