/** Work that comes in floods, as when a hundred thousand orphans fall due at once: so much at a time, in order. */

export class Lane {
  private readonly width: number;
  private waiting: (() => Promise<void>)[] = [];
  /** Of `waiting`: begun. Shifting a long queue task by task would cost more than the tasks. */
  private begun = 0;
  private running = 0;

  constructor(width: number) {
    this.width = width;
  }

  /** `task` must not reject. */
  add(task: () => Promise<void>): void {
    this.waiting.push(task);
    if (this.running < this.width) void this.work();
  }

  private async work(): Promise<void> {
    this.running += 1;
    for (let task = this.next(); task !== undefined; task = this.next()) await task();
    this.running -= 1;
  }

  private next(): (() => Promise<void>) | undefined {
    const task = this.waiting[this.begun];
    if (task === undefined) {
      this.waiting = [];
      this.begun = 0;
    } else this.begun += 1;
    return task;
  }
}
