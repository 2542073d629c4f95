/**
 * What a connection was sent and has not acknowledged: the account behind its window. The outbox writes it, acks clear
 * it. Neighbouring frames share an entry, so that a client that never acks costs some KiB whatever it is sent (L11).
 */
import type { Offset } from "../../protocol/ids.ts";

export interface Window {
  /** Un-acked events at most. */
  readonly maxEvents: number;
  /** Un-acked bytes at most; one event passes whatever its size. */
  readonly maxBytes: number;
}

/** An entry grows up to this part of the window: an ack that ends inside of one frees it that closely. */
const entryShare = 1 / 32;

interface Sent {
  after: Offset;
  upto: Offset;
  events: number;
  bytes: number;
}

export class Unacked {
  events = 0;
  bytes = 0;
  private readonly window: Window;
  private entries: Sent[] = [];

  constructor(window: Window) {
    this.window = window;
  }

  /** Entries that are held: at most two for each share of events, and two for each share of bytes. */
  get entryCount(): number {
    return this.entries.length;
  }

  get isFull(): boolean {
    return this.events >= this.window.maxEvents || this.bytes >= this.window.maxBytes;
  }

  /** The part of the window that is taken, 0 to 1. */
  get share(): number {
    return Math.min(1, Math.max(this.events / this.window.maxEvents, this.bytes / this.window.maxBytes));
  }

  /** What may still be sent. */
  get room(): Window {
    return { maxEvents: this.window.maxEvents - this.events, maxBytes: this.window.maxBytes - this.bytes };
  }

  /** One frame was sent; frames come in the order of their offsets. */
  sent(after: Offset, upto: Offset, events: number, bytes: number): void {
    this.events += events;
    this.bytes += bytes;
    const last = this.entries.at(-1);
    const { maxEvents, maxBytes } = this.window;
    const fits = last && last.events + events <= maxEvents * entryShare && last.bytes + bytes <= maxBytes * entryShare;
    if (!fits) return void this.entries.push({ after, upto, events, bytes });
    last.upto = upto;
    last.events += events;
    last.bytes += bytes;
  }

  /** Everything up to `offset` was acknowledged. */
  ack(offset: Offset): void {
    let done = 0;
    for (const sent of this.entries) {
      if (sent.upto > offset) {
        this.ackPart(sent, offset);
        break;
      }
      this.events -= sent.events;
      this.bytes -= sent.bytes;
      done += 1;
    }
    if (done > 0) this.entries.splice(0, done);
  }

  clear(): void {
    this.entries = [];
  }

  /** Filtered offsets are no events: a client may name the last event it got, and must not be held for the rest. */
  private ackPart(sent: Sent, offset: Offset): void {
    if (offset <= sent.after || sent.events === 0) return;
    const events = Math.min(sent.events, offset - sent.after);
    const bytes = Math.floor((sent.bytes * events) / sent.events);
    sent.after = offset;
    sent.events -= events;
    sent.bytes -= bytes;
    this.events -= events;
    this.bytes -= bytes;
  }
}
