/** What is wrong with a disk now: it is full, slow, or its next answers are errors of unknown meaning. */
import type { VirtualTime } from "./virtual-time.ts";

/**
 * `full`: nothing was written, and that is what it says. `before`: nothing was written, and nobody can know. `after`: it
 * was written, and nobody can know.
 */
export type Refusal = "full" | "before" | "after";

export class DiskFaults {
  private readonly time: VirtualTime;
  private readonly next: Refusal[] = [];
  private fullUntilMs = 0;
  private slowUntilMs = 0;
  private factor = 1;
  private deafUntilMs = 0;

  constructor(time: VirtualTime) {
    this.time = time;
  }

  /** How many times as long everything takes. */
  get slowness(): number {
    return this.time.nowMs < this.slowUntilMs ? this.factor : 1;
  }

  /** Reads fail, too. */
  get isDeaf(): boolean {
    return this.time.nowMs < this.deafUntilMs;
  }

  /** What becomes of the next transaction; undefined: nothing bad. */
  refusal(): Refusal | undefined {
    if (this.time.nowMs < this.fullUntilMs) return "full";
    if (this.isDeaf) return "before";
    return this.next.shift();
  }

  fail(refusal: Refusal, count: number): void {
    for (let left = count; left > 0; left -= 1) this.next.push(refusal);
  }

  full(forMs: number): void {
    this.fullUntilMs = this.time.nowMs + forMs;
  }

  deaf(forMs: number): void {
    this.deafUntilMs = this.time.nowMs + forMs;
  }

  slow(forMs: number, factor: number): void {
    this.slowUntilMs = this.time.nowMs + forMs;
    this.factor = factor;
  }

  heal(): void {
    this.next.length = 0;
    this.fullUntilMs = 0;
    this.slowUntilMs = 0;
    this.deafUntilMs = 0;
  }
}
