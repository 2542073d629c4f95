/**
 * What the disk has ever held, told by its commits: the yardstick of all oracles. It knows nothing of runs, frames or
 * windows. A history that was replaced stays here under its epoch: devices that saw it were right then.
 */
import { isTerminalType } from "../../protocol/event.ts";
import type { Epoch, StreamKey } from "../../protocol/ids.ts";
import type { Bell, EventLog, StoredEvent } from "../../src/log/event-log.ts";

export interface Kept extends StoredEvent {
  readonly atMs: number;
}

type Streams = Map<string, Kept[]>;

const all = { maxEvents: 1_000_000, maxBytes: Number.MAX_SAFE_INTEGER };

export class History {
  epoch: Epoch;
  /** Under their epochs, the newest last. */
  readonly epochs = new Map<Epoch, Streams>();
  private readonly violate: (law: string, what: string) => void;

  constructor(epoch: Epoch, violate: (law: string, what: string) => void) {
    this.epoch = epoch;
    this.violate = violate;
    this.epochs.set(epoch, new Map());
  }

  get streams(): Streams {
    return this.epochs.get(this.epoch) ?? new Map();
  }

  of(stream: string, epoch = this.epoch): readonly Kept[] {
    return this.epochs.get(epoch)?.get(stream) ?? [];
  }

  head(stream: string): number {
    return this.of(stream).length;
  }

  hasEnded(stream: string, runId: string): boolean {
    return this.of(stream).some((event) => event.runId === runId && isTerminalType(event.type));
  }

  /** I2: offsets are dense and come in commit order. */
  committed({ stream, epoch, head, events = [] }: Bell, atMs: number): void {
    if (epoch !== this.epoch) this.violate("I2", `a commit under the epoch ${epoch} in ${this.epoch}`);
    const kept = this.streams.get(stream) ?? [];
    this.streams.set(stream, kept);
    for (const event of events) {
      if (event.offset !== kept.length + 1)
        this.violate("I2", `offset ${event.offset} after ${kept.length} in ${stream}`);
      kept.push({ ...event, atMs });
    }
    if (head !== kept.length) this.violate("I2", `a bell for ${head} where ${kept.length} is the head of ${stream}`);
  }

  /** The machine is back: under the old epoch everything must be there (I1), under a new one a first part of it. */
  async reopened(truth: EventLog, epoch: Epoch, streams: readonly StreamKey[], atMs: number): Promise<void> {
    const now: Streams = new Map();
    for (const stream of streams) {
      const kept = this.of(stream);
      const { events } = await truth.read(stream, 0, all);
      const { head } = await truth.position(stream);
      // Some may have been retired or merged; what is there is what was there.
      const isSame = events.every(({ id, offset }) => (kept[offset - 1]?.id ?? id) === id);
      if (!isSame || (epoch === this.epoch && head < kept.length))
        this.violate("I1", `${stream} came back with ${head} of ${kept.length} events, epoch ${epoch}`);
      // What was written when the power went may turn out to be whole.
      const news = events.filter(({ offset }) => offset > kept.length).map((event) => ({ ...event, atMs }));
      const found = [...kept.slice(0, head), ...news];
      now.set(stream, found);
    }
    this.epoch = epoch;
    this.epochs.set(epoch, now);
  }
}
