/**
 * The deadline wheel: every lease, hello, expiry and cancellation of the process on one timer. (A timer per run
 * would cost its share of every stop: docs/decisions.) Deadlines fire late by at most one tick, never early.
 */
import type { Clock } from "../platform/clock.ts";

const defaultTickMs = 50;

export interface Deadline {
  /** Moves it. Cheap: a later time costs nothing until the old one comes up. One that has fired fires again. */
  moveTo(dueMono: number): void;
  /** For good: neither its own tick nor a later `moveTo` brings it back. */
  cancel(): void;
}

class Entry implements Deadline {
  dueMono: number;
  /** The slot it sits in; -1 when it sits in none. */
  slot = -1;
  isCancelled = false;
  readonly task: () => void;
  private readonly wheel: Deadlines;

  constructor(wheel: Deadlines, dueMono: number, task: () => void) {
    this.wheel = wheel;
    this.dueMono = dueMono;
    this.task = task;
  }

  moveTo(dueMono: number): void {
    if (this.isCancelled) return;
    const earlier = dueMono < this.dueMono;
    this.dueMono = dueMono;
    if (this.slot === -1 || earlier) this.wheel.place(this);
  }

  cancel(): void {
    this.isCancelled = true;
    this.wheel.remove(this);
  }
}

export class Deadlines {
  private readonly clock: Clock;
  private readonly tickMs: number;
  private readonly slots = new Map<number, Set<Entry>>();
  private cancelTimer: (() => void) | undefined;
  private timerSlot = Number.POSITIVE_INFINITY;
  private stopped = false;
  private readonly onBug: (cause: unknown) => void;

  /** `onBug` hears of a task that threw: one broken deadline must not stop the wheel for all others. */
  constructor(clock: Clock, onBug: (cause: unknown) => void, tickMs = defaultTickMs) {
    this.clock = clock;
    this.tickMs = tickMs;
    this.onBug = onBug;
  }

  /** Calls `task` once when the monotonic clock has passed `dueMono` (ms). */
  at(dueMono: number, task: () => void): Deadline {
    const entry = new Entry(this, dueMono, task);
    this.place(entry);
    return entry;
  }

  after(delayMs: number, task: () => void): Deadline {
    return this.at(this.clock.mono() + delayMs, task);
  }

  stop(): void {
    this.stopped = true;
    this.cancelTimer?.();
    this.slots.clear();
  }

  /** @internal */
  place(entry: Entry): void {
    this.remove(entry);
    const slot = Math.ceil(entry.dueMono / this.tickMs);
    entry.slot = slot;
    const there = this.slots.get(slot);
    if (there) there.add(entry);
    else this.slots.set(slot, new Set([entry]));
    if (slot < this.timerSlot) this.arm(slot);
  }

  /** @internal */
  remove(entry: Entry): void {
    if (entry.slot === -1) return;
    const there = this.slots.get(entry.slot);
    there?.delete(entry);
    if (there?.size === 0) this.slots.delete(entry.slot);
    entry.slot = -1;
  }

  private arm(slot: number): void {
    if (this.stopped) return;
    this.cancelTimer?.();
    this.timerSlot = slot;
    this.cancelTimer = this.clock.after(Math.max(slot * this.tickMs - this.clock.mono(), 0), () => this.fire());
  }

  private run(entry: Entry): void {
    try {
      entry.task();
    } catch (cause) {
      this.onBug(cause);
    }
  }

  private fire(): void {
    const nowMono = this.clock.mono();
    const upto = Math.floor(nowMono / this.tickMs);
    this.timerSlot = Number.POSITIVE_INFINITY;
    const due: Entry[] = [];
    // Slots are few (one per tick that holds anything), so a scan is cheaper than an ordered structure.
    for (const [slot, entries] of this.slots) {
      if (slot > upto) continue;
      this.slots.delete(slot);
      for (const entry of entries) {
        entry.slot = -1;
        if (entry.dueMono > nowMono) this.place(entry);
        else due.push(entry);
      }
    }
    due.sort((a, b) => a.dueMono - b.dueMono);
    // What fires before it in the same tick may have cancelled it or moved it on.
    for (const entry of due) if (!entry.isCancelled && entry.slot === -1) this.run(entry);
    let next = Number.POSITIVE_INFINITY;
    for (const slot of this.slots.keys()) next = Math.min(next, slot);
    if (next < this.timerSlot) this.arm(next);
  }
}
