/**
 * The newest events of one stream, kept in memory while somebody follows it, so that live delivery does not read
 * back what was just written. Bounded; what has left it is read from the log.
 */
import type { Offset } from "../../protocol/ids.ts";
import type { ReadLimit, StoredEvent } from "./event-log.ts";

const maxEvents = 128;
const maxBytes = 32 * 1_024;

export class Recent {
  private events: StoredEvent[] = [];
  private bytes = 0;

  /** Takes the next events; a hole before them forgets what came earlier. */
  push(events: readonly StoredEvent[]): void {
    const first = events[0];
    const last = this.events.at(-1);
    if (first === undefined) return;
    if (last !== undefined && first.offset !== last.offset + 1) this.clear();
    for (const event of events) {
      this.events.push(event);
      this.bytes += event.data.length;
    }
    if (this.events.length > 2 * maxEvents || this.bytes > 2 * maxBytes) this.trim();
  }

  /** The events after `after`, as many as fit; undefined when they are not all here. At least one comes. */
  after(after: Offset, limit: ReadLimit): readonly StoredEvent[] | undefined {
    const first = this.events[0];
    if (first === undefined || after + 1 < first.offset) return undefined;
    const start = after + 1 - first.offset;
    let end = start;
    let bytes = 0;
    while (end < this.events.length && end - start < limit.maxEvents) {
      bytes += this.events[end]?.data.length ?? 0;
      if (bytes > limit.maxBytes && end > start) break;
      end += 1;
    }
    return start === 0 && end === this.events.length ? this.events.slice() : this.events.slice(start, end);
  }

  clear(): void {
    this.events = [];
    this.bytes = 0;
  }

  /** Down to one budget; called at two, so that trimming is rare. */
  private trim(): void {
    let drop = Math.max(0, this.events.length - maxEvents);
    for (let at = 0; at < drop; at += 1) this.bytes -= this.events[at]?.data.length ?? 0;
    while (this.bytes > maxBytes && drop < this.events.length - 1) {
      this.bytes -= this.events[drop]?.data.length ?? 0;
      drop += 1;
    }
    this.events.splice(0, drop);
  }
}
