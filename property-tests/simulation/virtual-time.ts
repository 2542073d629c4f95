/**
 * The one clock of a world and all that is still to happen in it. One thing happens at a time; then every promise that
 * it has set off comes to rest, and only then does time move on. Nothing here waits for a real clock (I20).
 */
import type { Chance } from "./chance.ts";
import { Heap } from "./heap.ts";
import type { Trace } from "./trace.ts";

interface Happening {
  readonly atMs: number;
  readonly tie: number;
  readonly label: string;
  readonly task: () => void;
  isCancelled: boolean;
}

/** Taken before a guard can stand before it. */
const macrotask = setImmediate;
/** Runs every microtask that there is, and those that these set off. */
export const rest = (): Promise<void> => new Promise((resolve) => macrotask(resolve));

export class VirtualTime {
  nowMs = 0;
  /** How many things have happened. */
  steps = 0;
  /** Hears what a task threw at once: a real process would be gone. */
  onThrown: (cause: unknown) => void = () => {};
  readonly trace: Trace;
  private readonly ties: Chance;
  private readonly heap = new Heap<Happening>();

  constructor(ties: Chance, trace: Trace) {
    this.ties = ties;
    this.trace = trace;
  }

  /** The answer cancels it. */
  at(atMs: number, label: string, task: () => void): () => void {
    const happening = { atMs: Math.max(atMs, this.nowMs), tie: this.ties.word(), label, task, isCancelled: false };
    this.heap.push(happening);
    return () => {
      happening.isCancelled = true;
    };
  }

  after(delayMs: number, label: string, task: () => void): () => void {
    return this.at(this.nowMs + Math.max(delayMs, 0), label, task);
  }

  sleep(delayMs: number, label: string): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, label, resolve));
  }

  /** Lets everything up to `endMs` happen, as long as `goesOn`. */
  async runUntil(endMs: number, goesOn: () => boolean = () => true): Promise<void> {
    await rest();
    for (let next = this.heap.first; next !== undefined && next.atMs <= endMs && goesOn(); next = this.heap.first) {
      this.heap.pop();
      if (next.isCancelled) continue;
      this.nowMs = next.atMs;
      this.steps += 1;
      this.trace.note(this.nowMs, next.label);
      try {
        next.task();
      } catch (cause) {
        this.onThrown(cause);
      }
      await rest();
    }
    if (goesOn()) this.nowMs = Math.max(this.nowMs, endMs);
  }

  /** One step, whenever it is due. False: there is none. */
  async step(): Promise<boolean> {
    const next = this.heap.first;
    if (next === undefined) return false;
    await this.runUntil(
      next.atMs,
      (
        (left) => () =>
          left-- > 0
      )(1),
    );
    return true;
  }
}
