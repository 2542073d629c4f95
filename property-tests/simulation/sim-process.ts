/**
 * A process of the simulated world, of a server as of a device: what reaches it from outside enters here. It can be
 * stopped (SIGSTOP, a closed lid) and go on where it was, or be gone; what is said to it then falls on deaf ears.
 */
import type { Chance } from "./chance.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Between two things that had waited for a stopped process. */
const wakeStepMs = 0.001;

export class SimProcess {
  readonly name: string;
  private readonly time: VirtualTime;
  private readonly chance: Chance;
  private mode: "running" | "stopped" | "waking" | "gone" = "running";
  /** What came while it was stopped, by the way it came: each way keeps its order, the ways do not. */
  private readonly waiting = new Map<string, (() => void)[]>();

  constructor(name: string, time: VirtualTime, chance: Chance) {
    this.name = name;
    this.time = time;
    this.chance = chance;
  }

  get isGone(): boolean {
    return this.mode === "gone";
  }

  get isStopped(): boolean {
    return this.mode === "stopped";
  }

  /** Something comes in by this way: a packet, a timer, an answer of the disk. */
  enter(way: string, task: () => void): void {
    if (this.mode === "gone") return;
    if (this.mode === "running") return task();
    const queue = this.waiting.get(way);
    if (queue) queue.push(task);
    else this.waiting.set(way, [task]);
  }

  stop(): void {
    if (this.mode !== "gone") this.mode = "stopped";
  }

  goOn(): void {
    if (this.mode !== "stopped") return;
    this.mode = "waking";
    this.wake();
  }

  kill(): void {
    this.mode = "gone";
    this.waiting.clear();
  }

  private wake(): void {
    if (this.mode !== "waking") return;
    const way = this.chance.pick([...this.waiting.keys()]);
    if (way === undefined) {
      this.mode = "running";
      return;
    }
    const queue = this.waiting.get(way) ?? [];
    const task = queue.shift();
    if (queue.length === 0) this.waiting.delete(way);
    this.time.after(wakeStepMs, `${this.name} wakes`, () => this.wake());
    task?.();
  }
}
