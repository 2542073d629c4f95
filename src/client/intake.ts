/**
 * What the stream brings, in the one order that keeps the laws: its place is checked (`stream-position`), runs are
 * folded (`run-store`), listeners and readers get it (`event-feed`), and what they have taken is acknowledged (`acks`).
 */
import type { StreamEvent } from "../../protocol/event.ts";
import type { EventsFrame, GapFrame, SnapshotFrame, WelcomeFrame } from "../../protocol/frames.ts";
import type { Cursor } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { Acks } from "./acks.ts";
import { ConnectionLost } from "./client-error.ts";
import { EventFeed, type FeedItem, type FeedReader } from "./event-feed.ts";
import { Listeners } from "./listeners.ts";
import { RunStore } from "./run-store.ts";
import { type Gap, type StartPoint, StreamPosition, type Taken } from "./stream-position.ts";
import type { Timers } from "./timers.ts";

export type StreamItem = StreamEvent | Gap;
export const isEventItem = (item: StreamItem): item is StreamEvent => item.type !== "gap";

export interface IntakeOptions {
  readonly from: StartPoint;
  readonly cursor: Cursor | undefined;
  readonly maxEndedRuns: number;
  readonly timers: Timers;
  /** Hands an ack to the server, if there is one, and the place to the storage. */
  readonly acknowledge: (cursor: Cursor) => void;
}

/** Until `welcome` has said it. */
const defaultWindowEvents = 1_024;
/** Windows that may lie unread: one from before a reconnect and one after it, and one more is abuse. */
const maxUnreadWindows = 3;

export class Intake {
  readonly runs: RunStore;
  readonly events = new Listeners<StreamEvent>();
  readonly gaps = new Listeners<Gap>();
  readonly snapshots = new Listeners<readonly RunView[]>();
  readonly #position: StreamPosition;
  readonly #feed: EventFeed<StreamItem>;
  readonly #acks: Acks;
  #windowEvents = defaultWindowEvents;
  #room: PromiseWithResolvers<void> | undefined;
  head = 0;
  /** The stream was replaced or cut back: what comes may be known to the application by another offset. */
  wasReset = false;

  constructor({ from, cursor, maxEndedRuns, timers, acknowledge }: IntakeOptions) {
    this.runs = new RunStore(maxEndedRuns);
    this.#position = new StreamPosition(from, cursor);
    this.#feed = new EventFeed(() => this.#taken());
    this.#acks = new Acks(timers, { handed: () => this.#feed.handed, acknowledge });
    if (cursor !== undefined) this.#startFrom(cursor);
  }

  get position(): Pick<StreamPosition, "cursor" | "hello" | "holes" | "doubles"> {
    return this.#position;
  }

  reader(wants: (item: StreamItem) => boolean): FeedReader<StreamItem> {
    return this.#feed.reader(wants);
  }

  /** Resolves when less than a window lies unread: a connection brings up to one window more. */
  async room(): Promise<void> {
    if (this.#feed.unread < this.#windowEvents) return;
    this.#room ??= Promise.withResolvers();
    await this.#room.promise;
  }

  /** `Fails` ConnectionLost, as do all that take a frame: it does not follow from what came before. */
  welcome(frame: WelcomeFrame): void {
    accepted(this.#position.welcome(frame));
    this.head = frame.head;
    this.#windowEvents = Math.max(1, frame.windowEvents);
    const { cursor } = this.#position;
    if (frame.resumed === "fresh" && cursor !== undefined) this.#startFrom(cursor);
  }

  /** The connection is live: acks may leave. */
  live(): void {
    this.#acks.opened(this.#windowEvents);
  }

  takeEvents(frame: EventsFrame, chars: number): void {
    let before = this.#position.place;
    const events = accepted(this.#position.events(frame));
    const upto = this.#position.cursor;
    if (before === undefined || upto === undefined) return;
    this.head = Math.max(this.head, upto.offset);
    const items: FeedItem<StreamEvent>[] = [];
    for (const event of events) {
      this.runs.fold(event);
      items.push({ value: event, before });
      before = { epoch: before.epoch, offset: event.offset };
    }
    this.runs.notify();
    for (const event of events) this.events.emit(event);
    this.#acks.received({ upto: upto.offset, events: frame.events.length, chars });
    this.#feed.push(items, upto);
    if (this.#feed.unread > maxUnreadWindows * this.#windowEvents)
      throw new ConnectionLost("the server sends more than its window allows");
  }

  takeGap(frame: GapFrame): void {
    const before = this.#position.cursor ?? this.#position.place;
    const taken = accepted(this.#position.gap(frame));
    if (taken === undefined) return;
    if (taken.reset) {
      this.wasReset = true;
      this.runs.reset();
      this.runs.notify();
    }
    this.#report(taken.gap, before);
  }

  takeSnapshot(frame: SnapshotFrame): void {
    const before = this.#position.cursor;
    const skipped = accepted(this.#position.snapshot(frame));
    this.head = Math.max(this.head, frame.at);
    this.runs.restore(frame.runs);
    this.runs.notify();
    if (skipped !== undefined) this.#report(skipped, before);
    this.snapshots.emit(this.runs.all());
    const { cursor } = this.#position;
    if (cursor !== undefined) this.#startFrom(cursor);
  }

  /** Says how far the application is, now: nobody knows whether there will be another moment. */
  flush(): void {
    this.#acks.flush();
  }

  /** The application closes, and is through with what it has in hand. */
  settle(): void {
    this.#feed.settle();
    this.#acks.flush();
  }

  /** The last ack; then every reader ends. */
  end(error?: Error): void {
    this.#acks.end();
    this.#feed.end(error);
  }

  #report(gap: Gap, before: Cursor | undefined): void {
    this.gaps.emit(gap);
    const upto = this.#position.cursor;
    // The beginning of the stream may be gone before we had a place in it.
    const place = before ?? (upto && { epoch: upto.epoch, offset: gap.from - 1 });
    this.#feed.push(place === undefined ? [] : [{ value: gap, before: place }], upto);
  }

  /** Where the stream begins, nothing is there to acknowledge. */
  #startFrom(cursor: Cursor): void {
    this.#acks.startFrom(cursor);
    this.#feed.startFrom(cursor);
  }

  #taken(): void {
    this.#acks.moved();
    if (this.#room === undefined || this.#feed.unread >= this.#windowEvents) return;
    this.#room.resolve();
    this.#room = undefined;
  }
}

function accepted<Value>(taken: Taken<Value>): Value {
  if (taken.ok) return taken.value;
  throw new ConnectionLost(taken.why);
}
