/**
 * The spans of delivery: one for each commit that is handed to connections, one for each page that is read for somebody
 * who has missed it. The hubs hold it where somebody traces; without, they hold nothing.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import type { Bell, Slice, StoredEvent } from "../log/event-log.ts";
import type { OpenSpan, Traces } from "../telemetry/traces.ts";

export class DeliveryTraces {
  private readonly traces: Traces;
  /** Committed and not handed over yet: within one turn. */
  private readonly fresh = new Map<StreamKey, StoredEvent[]>();

  constructor(traces: Traces) {
    this.traces = traces;
  }

  /** A commit to a stream that somebody follows. */
  rang({ stream, events = [] }: Bell): void {
    const known = this.fresh.get(stream);
    if (known) known.push(...events);
    else this.fresh.set(stream, [...events]);
  }

  /** It is handed to these connections now. */
  begin(stream: StreamKey, connections: number): OpenSpan | undefined {
    const events = this.fresh.get(stream) ?? [];
    this.fresh.delete(stream);
    const last = events.at(-1);
    if (last === undefined || connections === 0) return undefined;
    return this.traces.deliver(events, {
      "runcast.events": events.length,
      "runcast.offset": last.offset,
      "runcast.connections": connections,
    });
  }

  /** A page of history is read for one connection. */
  async replay(after: number, read: () => Promise<Slice>): Promise<Slice> {
    const span = this.traces.replay({ "runcast.after": after });
    try {
      const slice = await read();
      span?.end({ "runcast.upto": slice.upto, "runcast.events": slice.events.length }, slice.events);
      return slice;
    } catch (cause) {
      span?.fail(cause instanceof Error ? cause.name : "unknown");
      throw cause;
    }
  }
}
