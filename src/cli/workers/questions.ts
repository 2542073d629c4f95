/** Questions to another process, each answered once or not in time: who does not answer holds up nobody. */
import type { Clock } from "../../platform/clock.ts";

export class Questions<Answer> {
  private readonly clock: Clock;
  private readonly limitMs: number;
  private readonly open = new Map<number, (answer: Answer | undefined) => void>();
  private nextId = 1;

  constructor(clock: Clock, limitMs: number) {
    this.clock = clock;
    this.limitMs = limitMs;
  }

  /** Undefined: there was no answer in time. */
  ask(send: (id: number) => void): Promise<Answer | undefined> {
    const id = this.nextId;
    this.nextId += 1;
    return new Promise((resolve) => {
      const settle = (answer: Answer | undefined): void => {
        this.open.delete(id);
        cancel();
        resolve(answer);
      };
      const cancel = this.clock.after(this.limitMs, () => settle(undefined));
      this.open.set(id, settle);
      send(id);
    });
  }

  answer(id: number, answer: Answer | undefined): void {
    this.open.get(id)?.(answer);
  }
}
