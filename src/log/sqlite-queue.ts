/**
 * Group commit: what is written while a commit is under way waits here and becomes the next one. An idle log sends at
 * the end of the turn, so nothing ever waits for a timer.
 */
import type { Append } from "./event-log.ts";
import { LogUnavailable } from "../errors.ts";
import { atEndOfTurn } from "../platform/turn.ts";
import { logRetryAfterMs } from "./closed.ts";
import { type Cell, putAppend } from "./sqlite-cells.ts";
import type { OtherAnswer, Placed, RareWrite, WriteAnswers, WriteGroup } from "./sqlite-messages.ts";

/** A commit of so many events takes 20 ms when each is an append of its own; a read waits for no more than one. */
const maxGroupEvents = 4_096;
/** Copied to the other thread at once. */
const maxGroupBytes = 8 * 2 ** 20;

export interface Write {
  readonly what: Append | RareWrite;
  readonly fsync: boolean;
  readonly bytes: number;
  readonly settle: (answer: Placed | OtherAnswer) => void;
  readonly fail: (error: unknown) => void;
}

export class SqliteQueue {
  readonly #send: (group: WriteGroup) => Promise<WriteAnswers>;
  readonly #maxBytes: number;
  #waiting: Write[] = [];
  #waitingBytes = 0;
  #state: "idle" | "scheduled" | "committing" = "idle";
  #onIdle: (() => void)[] = [];

  /** `maxBytes`: when more waits, a write is refused at once, so a disk that stands still does not fill the memory. */
  constructor(send: (group: WriteGroup) => Promise<WriteAnswers>, maxBytes: number) {
    this.#send = send;
    this.#maxBytes = maxBytes;
  }

  add(write: Write): void {
    if (this.#waitingBytes + write.bytes > this.#maxBytes && this.#waiting.length > 0) {
      // Nothing of it was written; the code is that of a disk that does not answer, which is why so much waits.
      const message = `more than ${this.#maxBytes} bytes wait for the disk`;
      write.fail(new LogUnavailable({ message, retryAfterMs: logRetryAfterMs }));
      return;
    }
    this.#waiting.push(write);
    this.#waitingBytes += write.bytes;
    if (this.#state === "idle") {
      this.#state = "scheduled";
      atEndOfTurn(() => void this.#commit());
    }
  }

  /** When everything that was added is settled. */
  idle(): Promise<void> {
    if (this.#state === "idle") return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  async #commit(): Promise<void> {
    this.#state = "committing";
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        settle(group, await this.#send(packed(group)));
      } catch (error) {
        for (const write of group) write.fail(error);
      }
    }
    this.#state = "idle";
    const onIdle = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of onIdle) resolve();
  }

  #takeGroup(): readonly Write[] {
    let events = 0;
    let bytes = 0;
    let count = 0;
    for (const write of this.#waiting) {
      events += "events" in write.what ? write.what.events.length : 1;
      bytes += write.bytes;
      if (count > 0 && (events > maxGroupEvents || bytes > maxGroupBytes)) {
        bytes -= write.bytes;
        break;
      }
      count += 1;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }
}

function packed(group: readonly Write[]): WriteGroup {
  const cells: Cell[] = [];
  const order: ("append" | RareWrite)[] = [];
  let fsync = false;
  for (const write of group) {
    fsync ||= write.fsync;
    if ("events" in write.what) {
      putAppend(cells, write.what);
      order.push("append");
    } else {
      order.push(write.what);
    }
  }
  return { order, cells, fsync };
}

function settle(group: readonly Write[], answers: WriteAnswers): void {
  let at = 0;
  const settled = group.map(() => {
    const answer = answers[at++];
    if (typeof answer !== "number") return answer;
    const [seq, fence] = [answers[at++] as number, answers[at++] as number];
    return [answer, seq, fence] as const;
  });
  for (const [index, write] of group.entries()) {
    const answer = settled[index];
    if (answer === undefined) write.fail(new Error("the log's thread left an answer out"));
    else write.settle(answer);
  }
}
