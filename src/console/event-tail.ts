/** The newest events of the stream in its order, each once, and no more than fit: what the inspector lists. */
import type { StreamEvent } from "../../protocol/event.ts";

const maxEvents = 600;

export class EventTail {
  #events: StreamEvent[] = [];

  /** At its place: history is read after what came later. */
  add(event: StreamEvent): void {
    const last = this.#events.at(-1);
    if (last === undefined || last.offset < event.offset) this.#events.push(event);
    else {
      const at = this.#events.findIndex((other) => other.offset >= event.offset);
      if (this.#events[at]?.offset === event.offset) return;
      this.#events.splice(at, 0, event);
    }
    if (this.#events.length > 2 * maxEvents) this.#events = this.newest();
  }

  /** Oldest first. A new array each time. */
  newest(): StreamEvent[] {
    return this.#events.slice(-maxEvents);
  }

  clear(): void {
    this.#events = [];
  }
}
