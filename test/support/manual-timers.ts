/** A clock that a test moves: `Timers` of the client, with tasks that run in the order in which they are due. */
import type { Timers } from "../../src/client/timers.ts";

interface Task {
  readonly dueMs: number;
  readonly run: () => void;
}

export class ManualTimers implements Timers {
  nowMs = 0;
  #tasks: Task[] = [];

  after(delayMs: number, run: () => void): () => void {
    const task = { dueMs: this.nowMs + delayMs, run };
    this.#tasks.push(task);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== task);
    };
  }

  /** How long each waiting task still has, the next first. */
  get waitsMs(): readonly number[] {
    return this.#tasks.map(({ dueMs }) => dueMs - this.nowMs).sort((a, b) => a - b);
  }

  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      const due = next;
      this.#tasks = this.#tasks.filter((task) => task !== due);
      due.run();
    }
    this.nowMs = end;
  }

  #next(endMs: number): Task | undefined {
    return this.#tasks.filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
  }
}
