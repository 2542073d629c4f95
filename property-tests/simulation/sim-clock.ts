/**
 * The clocks of one process: its own monotonic time since it began, at its own rate, and a wall clock that may be
 * wrong and may jump. Timers enter the process like everything from outside, so a stopped one hears them late.
 */
import type { Timers } from "../../src/client/timers.ts";
import type { Clock } from "../../src/platform/clock.ts";
import type { Chance } from "./chance.ts";
import type { SimProcess } from "./sim-process.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface Wall {
  /** How far it is off. A machine's processes share it. */
  skewMs: number;
}

const beginningMs = Date.UTC(2026, 0, 1);
/** Rounding must not let a timer come before its time. */
const hairMs = 0.001;

export class SimClock implements Clock, Timers {
  readonly random: Clock["random"];
  private readonly time: VirtualTime;
  private readonly process: SimProcess;
  private readonly wall: Wall;
  private readonly rate: number;
  private readonly bornMs: number;

  constructor(time: VirtualTime, process: SimProcess, wall: Wall, rate: number, chance: Chance) {
    this.time = time;
    this.process = process;
    this.wall = wall;
    this.rate = rate;
    this.bornMs = time.nowMs;
    this.random = chance.bytes;
  }

  readonly now = (): number => Math.floor(beginningMs + this.wall.skewMs + this.time.nowMs * this.rate);

  readonly mono = (): number => (this.time.nowMs - this.bornMs) * this.rate;

  readonly after = (delayMs: number, task: () => void): (() => void) => {
    let isCancelled = false;
    const stop = this.time.after(Math.max(delayMs, 0) / this.rate + hairMs, `${this.process.name} timer`, () =>
      this.process.enter("timers", () => {
        if (!isCancelled) task();
      }),
    );
    return () => {
      isCancelled = true;
      stop();
    };
  };
}
