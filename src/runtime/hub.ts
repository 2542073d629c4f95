/**
 * The meeting point of one stream: what was just committed on one side, the outboxes of everybody who follows it
 * on the other. It exists while somebody follows; a bell for a stream without followers costs a map lookup.
 *
 * One frame per commit: bells mark hubs dirty, and one microtask later, before any publisher is answered, every
 * dirty hub lets its outboxes read on (LESSONS 19).
 */
import type { Epoch, Offset, StreamKey } from "../../protocol/ids.ts";
import type { Bell, EventLog, Position, ReadLimit, StoredEvent } from "../log/event-log.ts";
import { Recent } from "../log/recent.ts";
import { eventsFrame, eventText, maxFrame } from "./frames.ts";
import { DeliveryFigures } from "./delivery-figures.ts";
import type { DeliveryTraces } from "./delivery-traces.ts";
import type { Outbox } from "./outbox.ts";
import { ReadAhead } from "./read-ahead.ts";
import type { EncodedFrame } from "./transport.ts";

export interface SharedFrame {
  readonly frame: EncodedFrame;
  readonly after: Offset;
  readonly upto: Offset;
  readonly eventCount: number;
  /** No more fitted in: it stays as it is when the stream grows. */
  readonly isFull: boolean;
}

interface HubTerms {
  readonly stream: StreamKey;
  readonly position: Position;
  readonly figures: DeliveryFigures;
  readonly traces: DeliveryTraces | undefined;
  readonly unfollow: (() => void) | undefined;
}

export class StreamHub {
  readonly stream: StreamKey;
  readonly outboxes = new Set<Outbox>();
  /** Connections that hold it, from before they have an outbox. */
  holders = 0;
  epoch: Epoch;
  head: Offset;
  readonly figures: DeliveryFigures;
  readonly lostEpochs: Position["lostEpochs"];
  /** Undefined: nobody traces. */
  readonly traces: DeliveryTraces | undefined;
  private readonly recent = new Recent();
  /** Outboxes that stand still: they read on from the log, and nothing is kept at hand for them (L11). */
  private readonly resting = new Set<Outbox>();
  /** The last frame that was built for everybody. */
  private shared: SharedFrame | undefined;
  /** Hears no more of what other processes append. */
  readonly unfollow: (() => void) | undefined;

  constructor({ stream, position, figures, traces, unfollow }: HubTerms) {
    this.stream = stream;
    this.unfollow = unfollow;
    this.figures = figures;
    this.traces = traces;
    this.epoch = position.epoch;
    this.head = position.head;
    this.lostEpochs = position.lostEpochs;
  }

  /** Nobody here takes anything now. */
  get isAtRest(): boolean {
    return this.outboxes.size === 0 || this.allRest;
  }

  advance(bell: Bell): void {
    if (bell.events && !this.allRest) this.recent.push(bell.events);
    if (bell.head <= this.head) return;
    this.figures.attempts += (bell.head - this.head) * this.outboxes.size;
    this.head = bell.head;
  }

  /** Events after `after` that are still in memory; undefined: read the log. */
  eventsAfter(after: Offset, limit: ReadLimit): readonly StoredEvent[] | undefined {
    return this.recent.after(after, limit);
  }

  /** The next frame for an outbox without filter, encoded once for all that stand at the same place. */
  frameAfter(after: Offset): SharedFrame | undefined {
    const { shared } = this;
    if (shared?.after === after && (shared.upto === this.head || shared.isFull)) return shared;
    const events = this.recent.after(after, maxFrame);
    const last = events?.at(-1);
    if (events === undefined || last === undefined) return undefined;
    const frame = eventsFrame(after, last.offset, events.map(eventText));
    this.shared = { frame, after, upto: last.offset, eventCount: events.length, isFull: last.offset < this.head };
    return this.shared;
  }

  /** An outbox stands still until it wakes. When all do, what live delivery needs is freed. */
  rest(outbox: Outbox): void {
    this.resting.add(outbox);
    if (!this.allRest) return;
    this.shared = undefined;
    this.recent.clear();
  }

  wake(outbox: Outbox): void {
    this.resting.delete(outbox);
  }

  private get allRest(): boolean {
    return this.resting.size > 0 && this.resting.size >= this.holders;
  }
}

/** All hubs of the process, keyed by stream: made by the first follower, freed with the last. */
export class Hubs {
  readonly figures: DeliveryFigures;
  private readonly log: EventLog;
  private readonly traces: DeliveryTraces | undefined;
  private readonly onNewEpoch: (hub: StreamHub) => void;
  private readonly hubs = new Map<StreamKey, StreamHub>();
  private readonly opening = new Map<StreamKey, { hub: Promise<StreamHub>; heard: Bell[] }>();
  /** Undefined: nobody else writes to the log. */
  private readonly ahead: ReadAhead | undefined;
  private dirty: StreamHub[] = [];
  /** The first bell that has not been answered yet. */
  private rangMono = 0;

  /** `onNewEpoch` hears of a hub whose stream has another history now. */
  constructor(
    log: EventLog,
    mono: () => number,
    traces?: DeliveryTraces,
    onNewEpoch: (hub: StreamHub) => void = () => {},
  ) {
    this.log = log;
    this.onNewEpoch = onNewEpoch;
    this.traces = traces;
    this.figures = new DeliveryFigures(mono);
    const pass = (hub: StreamHub, bell: Bell, sinceMono: number): void => {
      if (this.hubs.get(hub.stream) === hub && !this.outlives(hub, bell.epoch)) this.pass(hub, bell, sinceMono);
    };
    if (log.isShared) this.ahead = new ReadAhead({ log, mono, pass });
  }

  get count(): number {
    return this.hubs.size;
  }

  get(stream: StreamKey): StreamHub | undefined {
    return this.hubs.get(stream);
  }

  all(): Iterable<StreamHub> {
    return this.hubs.values();
  }

  /** The hub of a stream, held until `release`; reads its position from the log when it is the first to ask. */
  async open(stream: StreamKey): Promise<StreamHub> {
    const hub = this.hubs.get(stream) ?? (await this.make(stream));
    hub.holders += 1;
    return hub;
  }

  /** The inverse of `open`. The last holder frees the hub. */
  release(hub: StreamHub, outbox?: Outbox): void {
    if (outbox) hub.outboxes.delete(outbox);
    hub.holders -= 1;
    if (hub.holders > 0) return;
    if (this.hubs.get(hub.stream) === hub) this.hubs.delete(hub.stream);
    hub.unfollow?.();
  }

  /**
   * A log that others write to as well was seen at this epoch. True: the hub shows another history than the log has, its
   * readers go home, and who comes gets a new one.
   */
  outlives(hub: StreamHub, epoch: Epoch): boolean {
    if (!this.log.isShared || epoch === hub.epoch) return false;
    if (this.hubs.get(hub.stream) === hub) {
      this.hubs.delete(hub.stream);
      this.onNewEpoch(hub);
    }
    return true;
  }

  private make(stream: StreamKey): Promise<StreamHub> {
    const underWay = this.opening.get(stream);
    if (underWay) return underWay.hub;
    const heard: Bell[] = [];
    const hub = this.look(stream)
      .then((made) => {
        this.hubs.set(stream, made);
        for (const bell of heard) if (!this.outlives(made, bell.epoch) && bell.head > made.head) made.advance(bell);
        return made;
      })
      .finally(() => this.opening.delete(stream));
    this.opening.set(stream, { hub, heard });
    return hub;
  }

  /** First the bells, then where it stands: what is appended in between rings. */
  private async look(stream: StreamKey): Promise<StreamHub> {
    const { log, figures, traces } = this;
    const unfollow = await log.follow?.(stream);
    try {
      return new StreamHub({ stream, position: await log.position(stream), figures, traces, unfollow });
    } catch (cause) {
      unfollow?.();
      throw cause;
    }
  }

  /** A bell of the log. */
  ring(bell: Bell): void {
    const hub = this.hubs.get(bell.stream);
    if (hub === undefined) {
      this.opening.get(bell.stream)?.heard.push(bell);
      return;
    }
    if (this.outlives(hub, bell.epoch) || this.ahead?.takes(hub, bell)) return;
    this.pass(hub, bell);
  }

  private pass(hub: StreamHub, bell: Bell, sinceMono?: number): void {
    hub.advance(bell);
    if (this.dirty.length === 0) {
      this.rangMono = sinceMono ?? this.figures.mono();
      queueMicrotask(() => this.flush());
    }
    if (this.dirty.at(-1) !== hub) this.dirty.push(hub);
    this.traces?.rang(bell);
  }

  private flush(): void {
    const hubs = this.dirty;
    this.dirty = [];
    const { figures, rangMono } = this;
    for (const hub of hubs) {
      const { deliveries } = figures;
      const span = this.traces?.begin(hub.stream, hub.outboxes.size);
      for (const outbox of hub.outboxes) outbox.pump();
      span?.end({ "runcast.deliveries": figures.deliveries - deliveries });
      if (figures.deliveries > deliveries) figures.commitToSent.observeMs(figures.mono() - rangMono);
    }
  }
}
