/**
 * What was received, on its way to everybody who reads it. Each reader has its own queue; the stream counts as handed
 * over up to where the slowest one is. Acks follow that place, so a reader that stops closes the server's window and
 * nothing is dropped: backpressure from the application to the log.
 */
import type { Cursor } from "../../protocol/ids.ts";

/** One item, and the place up to which all is handed over while this item is not. */
export interface FeedItem<Value> {
  readonly value: Value;
  readonly before: Cursor;
}

type Ending = { readonly error: Error | undefined };

/**
 * A reader: an iterator that holds what was not taken yet. What it has given out is taken when the loop comes back for
 * more, or leaves: until then the application is still busy with it, and a crash must bring it again.
 */
export class FeedReader<Value> implements AsyncIterableIterator<Value> {
  readonly #onTaken: () => void;
  readonly #onReturn: (reader: FeedReader<Value>) => void;
  #queue: FeedItem<Value>[] = [];
  #first = 0;
  /** Given out, and the loop has not come back. */
  #inHand: FeedItem<Value> | undefined;
  #waiting: PromiseWithResolvers<IteratorResult<Value>>[] = [];
  #ending: Ending | undefined;

  constructor(onTaken: () => void, onReturn: (reader: FeedReader<Value>) => void) {
    this.#onTaken = onTaken;
    this.#onReturn = onReturn;
  }

  get unread(): number {
    return this.#queue.length - this.#first;
  }

  /** The oldest item that was not taken. */
  get head(): FeedItem<Value> | undefined {
    return this.#inHand ?? this.#queue[this.#first];
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Value>> {
    const item = this.#queue[this.#first];
    const hasNews = item !== undefined || this.#inHand !== undefined;
    this.#inHand = item;
    if (item !== undefined) this.#shift();
    if (hasNews) this.#onTaken();
    if (item !== undefined) return Promise.resolve({ done: false, value: item.value });
    if (this.#ending !== undefined) return this.#ended();
    const waiting = Promise.withResolvers<IteratorResult<Value>>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  /** The application has left its loop: what it did not take no longer holds up anybody. */
  return(): Promise<IteratorResult<Value>> {
    this.end(undefined, "now");
    this.#onReturn(this);
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The application says itself that it is through with what it has in hand. */
  settle(): void {
    this.#inHand = undefined;
  }

  push(item: FeedItem<Value>): void {
    if (this.#ending !== undefined) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#queue.push(item);
      return;
    }
    this.#inHand = item;
    waiting.resolve({ done: false, value: item.value });
  }

  /** No more will come. `now` forgets what was not taken; otherwise it can still be read. */
  end(error: Error | undefined, when: "now" | "once read"): void {
    this.#ending ??= { error };
    if (when === "now") {
      this.#queue = [];
      this.#first = 0;
    }
    for (const waiting of this.#waiting.splice(0)) this.#ended().then(waiting.resolve, waiting.reject);
  }

  /** The error comes once, as from a generator. */
  #ended(): Promise<IteratorResult<Value>> {
    const error = this.#ending?.error;
    this.#ending = { error: undefined };
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }

  #shift(): void {
    this.#first += 1;
    // Half of it is read: move the rest down, so that the array stays as small as what it holds.
    if (this.#first * 2 < this.#queue.length) return;
    this.#queue = this.#queue.slice(this.#first);
    this.#first = 0;
  }
}

export class EventFeed<Value> {
  readonly #onTaken: () => void;
  readonly #readers = new Map<FeedReader<Value>, (value: Value) => boolean>();
  #received: Cursor | undefined;

  constructor(onTaken: () => void) {
    this.#onTaken = onTaken;
  }

  /** A reader of all that comes from now on and that it wants. */
  reader(wants: (value: Value) => boolean): FeedReader<Value> {
    const leave = (left: FeedReader<Value>): void => {
      this.#readers.delete(left);
      this.#onTaken();
    };
    const reader = new FeedReader<Value>(this.#onTaken, leave);
    this.#readers.set(reader, wants);
    return reader;
  }

  /** The place where the stream begins. */
  startFrom(cursor: Cursor): void {
    this.#received = cursor;
  }

  /** Hands items to every reader; after them, all up to `upto` was received. */
  push(items: readonly FeedItem<Value>[], upto: Cursor | undefined): void {
    this.#received = upto;
    for (const [reader, wants] of this.#readers) for (const item of items) if (wants(item.value)) reader.push(item);
    this.#onTaken();
  }

  /** The place up to which every reader has taken all. Undefined while one still reads an earlier epoch. */
  get handed(): Cursor | undefined {
    let handed = this.#received;
    for (const reader of this.#readers.keys()) {
      const before = reader.head?.before;
      if (before === undefined || handed === undefined) continue;
      if (before.epoch !== handed.epoch) return undefined;
      if (before.offset < handed.offset) handed = before;
    }
    return handed;
  }

  /** Nobody comes back for more: what was given out counts as taken. */
  settle(): void {
    for (const reader of this.#readers.keys()) reader.settle();
  }

  /** How far the slowest reader is behind. */
  get unread(): number {
    let unread = 0;
    for (const reader of this.#readers.keys()) unread = Math.max(unread, reader.unread);
    return unread;
  }

  /** Ends every reader: at once, or with an error after what it has not read yet. What was not taken stays un-acked. */
  end(error?: Error): void {
    for (const reader of this.#readers.keys()) reader.end(error, error === undefined ? "now" : "once read");
    this.#readers.clear();
  }
}
