/**
 * What other processes append rings without its events. It is read once, here, for all who follow the stream, and passed
 * on as if it had rung with them: so they stay live, and a frame of it is encoded once. Between the bells and the hubs.
 * Where that does not do (a gap, a hole, another history, a long way behind, a log that does not answer) the bell is
 * passed on as it came, and each reader reads on for itself.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import type { Bell, EventLog, Slice } from "../log/event-log.ts";
import { maxFrame } from "./frames.ts";
import type { StreamHub } from "./hub.ts";

/** Further behind, readers are faster with pages of their own. */
const maxAhead = 4 * maxFrame.maxEvents;

export interface ReadAheadTerms {
  readonly log: Pick<EventLog, "read">;
  readonly mono: () => number;
  /** Hands a bell to the hub, if it is still there. `sinceMono`: when it came. */
  readonly pass: (hub: StreamHub, bell: Bell, sinceMono: number) => void;
}

export class ReadAhead {
  private readonly terms: ReadAheadTerms;
  /** The newest bell of each stream that is being read. */
  private readonly newest = new Map<StreamKey, { readonly hub: StreamHub; bell: Bell }>();

  constructor(terms: ReadAheadTerms) {
    this.terms = terms;
  }

  /** False: the bell is to be passed on as it is. */
  takes(hub: StreamHub, bell: Bell): boolean {
    if (bell.events !== undefined || bell.head <= hub.head || hub.isAtRest) return false;
    const reading = this.newest.get(hub.stream);
    if (reading?.hub === hub) {
      if (bell.epoch !== reading.bell.epoch || bell.head > reading.bell.head) reading.bell = bell;
      return true;
    }
    if (bell.head - hub.head > maxAhead) return false;
    const begun = { hub, bell };
    this.newest.set(hub.stream, begun);
    void this.read(begun).finally(() => {
      if (this.newest.get(hub.stream) === begun) this.newest.delete(hub.stream);
    });
    return true;
  }

  private async read(reading: { readonly hub: StreamHub; readonly bell: Bell }): Promise<void> {
    const { log, mono, pass } = this.terms;
    const { hub } = reading;
    while (hub.head < reading.bell.head) {
      const after = hub.head;
      const sinceMono = mono();
      const slice = await log.read(hub.stream, after, maxFrame).catch(() => undefined);
      const { bell } = reading;
      // This process has appended meanwhile: whoever has not what came before that, reads it.
      const isPlain = slice !== undefined && after === hub.head && isWhole(slice, after) && slice.epoch === bell.epoch;
      if (!isPlain || hub.isAtRest) return pass(hub, bell, sinceMono);
      pass(hub, { stream: hub.stream, epoch: slice.epoch, head: slice.upto, events: slice.events }, sinceMono);
      // The hub is gone.
      if (hub.head === after) return;
    }
  }
}

/** All that stands there, one event for each offset. */
const isWhole = ({ first, corrupt, events, upto }: Slice, after: number): boolean =>
  events.length > 0 && first <= after + 1 && corrupt === undefined && events.length === upto - after;
