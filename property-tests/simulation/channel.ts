/** One direction of a way: what is put in comes out in the same order, each after its own delay. */
import type { VirtualTime } from "./virtual-time.ts";

/** What comes at the same moment on one way still comes one after the other. */
const hairMs = 0.001;

export class Channel {
  private readonly time: VirtualTime;
  private readonly label: string;
  private lastMs = 0;

  constructor(time: VirtualTime, label: string) {
    this.time = time;
    this.label = label;
  }

  send(delayMs: number, arrive: () => void): void {
    this.lastMs = Math.max(this.time.nowMs + delayMs, this.lastMs + hairMs);
    this.time.at(this.lastMs, this.label, arrive);
  }
}
