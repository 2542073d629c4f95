/**
 * When to say how far the application is: one cumulative ack per 200 ms, at once when half of the server's window is
 * used up, and before the end. Saves the cursor at the same moments.
 */
import type { Cursor, Offset } from "../../protocol/ids.ts";
import type { Timers } from "./timers.ts";

export const ackEveryMs = 200;
/** The server's window in bytes, which `welcome` does not name (docs/protocol.md). */
const windowChars = 1_048_576;

interface ReceivedFrame {
  readonly upto: Offset;
  readonly events: number;
  readonly chars: number;
}

export interface AckOutput {
  /** The place that was handed to the application; undefined when it cannot be said. */
  readonly handed: () => Cursor | undefined;
  readonly acknowledge: (cursor: Cursor) => void;
}

export class Acks {
  readonly #timers: Timers;
  readonly #output: AckOutput;
  #halfWindow = Number.POSITIVE_INFINITY;
  /** Frames that the server still counts into its window. */
  #frames: ReceivedFrame[] = [];
  #handedEvents = 0;
  #handedChars = 0;
  #last: Cursor | undefined;
  #cancel: (() => void) | undefined;
  /** After the last word nothing more is said, until a connection is open again. */
  #isOver = false;

  constructor(timers: Timers, output: AckOutput) {
    this.#timers = timers;
    this.#output = output;
  }

  /** A connection is live: its window is empty. */
  opened(windowEvents: number): void {
    this.#isOver = false;
    this.#halfWindow = Math.max(1, windowEvents / 2);
    this.#frames = [];
    this.#handedEvents = 0;
    this.#handedChars = 0;
  }

  /** The place where the stream begins: nothing is acknowledged for it. */
  startFrom(cursor: Cursor): void {
    this.#last = cursor;
  }

  received(frame: ReceivedFrame): void {
    this.#frames.push(frame);
  }

  /** The application has taken something. */
  moved(): void {
    const handed = this.#news();
    if (handed === undefined) return;
    for (let first = this.#frames[0]; first !== undefined && first.upto <= handed.offset; first = this.#frames[0]) {
      this.#handedEvents += first.events;
      this.#handedChars += first.chars;
      this.#frames.shift();
    }
    if (this.#handedEvents >= this.#halfWindow || this.#handedChars >= windowChars / 2) this.flush();
    else this.#cancel ??= this.#timers.after(ackEveryMs, () => this.flush());
  }

  /** Says now what there is to say. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#handedEvents = 0;
    this.#handedChars = 0;
    const handed = this.#news();
    if (handed === undefined) return;
    this.#last = handed;
    this.#output.acknowledge(handed);
  }

  /** The last word. */
  end(): void {
    this.flush();
    this.#isOver = true;
  }

  /** The place that was handed over, if it has not been said. */
  #news(): Cursor | undefined {
    const handed = this.#isOver ? undefined : this.#output.handed();
    const isSaid = handed?.epoch === this.#last?.epoch && handed?.offset === this.#last?.offset;
    return isSaid ? undefined : handed;
  }
}
