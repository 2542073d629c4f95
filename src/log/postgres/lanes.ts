/**
 * The way of appends to the database: what comes within one turn, or while a call is under way, is one group and one
 * transaction. A stream has its lane, and a lane sends one group after the other, so a stream's appends are written, and
 * its bells ring, in the order of the calls; lanes go side by side.
 */
import { crc32 } from "node:zlib";
import { type RunKey, runKey, type StreamKey } from "../../../protocol/ids.ts";
import { LogUnavailable } from "../../errors.ts";
import { atEndOfTurn } from "../../platform/turn.ts";
import { logRetryAfterMs } from "../closed.ts";
import type { Append } from "../event-log.ts";
import { Lru } from "../lru.ts";
import type { Answer, Claim, Operation } from "./append-call.ts";

const maxGroupEvents = 2_048;
const maxGroupOperations = 512;
const maxGroupBytes = 8 * 2 ** 20;
const maxWaitingBytes = 64 * 2 ** 20;
/** What an operation costs besides its texts. */
const overheadBytes = 200;
/** Streams of runs that passed here: what lets a claim stand in its stream's lane. */
const maxKnownRuns = 50_000;

export interface Sent {
  readonly operation: Operation;
  readonly settle: (answer: Answer) => void;
  readonly fail: (cause: unknown) => void;
}

interface Waiting extends Sent {
  readonly bytes: number;
  /** Another lane creates the same run: of two creations the one that was called first is written first. */
  readonly after: Promise<unknown> | undefined;
}

export interface Lanes {
  append(append: Append, settle: (answer: Answer) => void, fail: (cause: unknown) => void): void;
  claim(claim: Omit<Claim, "stream">, settle: (answer: Answer) => void, fail: (cause: unknown) => void): void;
  /** When everything that was added is settled. */
  idle(): Promise<void>;
}

/** `send` settles or fails each of the group, and never throws. */
export function lanesOf(count: number, send: (group: readonly Sent[]) => Promise<void>): Lanes {
  const room = { bytes: 0 };
  const lanes = Array.from({ length: count }, () => new Lane(send, room));
  const streams = new Lru<RunKey, StreamKey>(maxKnownRuns);
  const creating = new Map<RunKey, Promise<unknown>>();

  const laneOf = (key: string): Lane => lanes[crc32(key) % count] as Lane;

  return {
    append: (append, settle, fail) => {
      const { stream, run } = append;
      let after: Promise<unknown> | undefined;
      let done: (() => void) | undefined;
      if (run !== undefined) {
        const name = runKey(run.tenantId, run.runId);
        streams.set(name, stream);
        streams.trim();
        if (run.create !== undefined && run.isNewId !== true) {
          after = creating.get(name);
          const { promise, resolve } = Promise.withResolvers<void>();
          creating.set(name, promise);
          done = () => {
            resolve();
            if (creating.get(name) === promise) creating.delete(name);
          };
        }
      }
      laneOf(stream).add({
        ...{ operation: append, after, bytes: bytesOf(append) },
        settle: (answer) => {
          done?.();
          settle(answer);
        },
        fail: (cause) => {
          done?.();
          fail(cause);
        },
      });
    },
    claim: ({ tenantId, runId }, settle, fail) => {
      const name = runKey(tenantId, runId);
      const ask = (stream: StreamKey | undefined): void => {
        const operation: Claim = { tenantId, runId, stream };
        const answered = (answer: Answer): void => {
          if (answer !== undefined || stream === undefined) return settle(answer);
          // An append may have named it in a stream that it is not in.
          if (streams.get(name) === stream) streams.delete(name);
          ask(undefined);
        };
        laneOf(stream ?? name).add({ operation, settle: answered, fail, bytes: overheadBytes, after: undefined });
      };
      ask(streams.get(name));
    },
    idle: async () => void (await Promise.all(lanes.map((lane) => lane.idle()))),
  };
}

class Lane {
  readonly #send: (group: readonly Sent[]) => Promise<void>;
  /** Shared by all lanes of a log. */
  readonly #room: { bytes: number };
  #waiting: Waiting[] = [];
  #isBusy = false;
  #onIdle: (() => void)[] = [];

  constructor(send: (group: readonly Sent[]) => Promise<void>, room: { bytes: number }) {
    this.#send = send;
    this.#room = room;
  }

  add(waiting: Waiting): void {
    if (this.#room.bytes + waiting.bytes > maxWaitingBytes && this.#waiting.length > 0) {
      const message = `more than ${maxWaitingBytes} bytes wait for the database`;
      waiting.fail(new LogUnavailable({ message, retryAfterMs: logRetryAfterMs }));
      return;
    }
    this.#room.bytes += waiting.bytes;
    this.#waiting.push(waiting);
    if (this.#isBusy) return;
    this.#isBusy = true;
    atEndOfTurn(() => void this.#work());
  }

  idle(): Promise<void> {
    return this.#isBusy ? new Promise((resolve) => this.#onIdle.push(resolve)) : Promise.resolve();
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#waiting[0]?.after;
      await this.#send(this.#takeGroup());
    }
    this.#isBusy = false;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #takeGroup(): readonly Sent[] {
    let [events, bytes, count] = [0, 0, 0];
    for (const { operation, bytes: some, after } of this.#waiting) {
      const more = "events" in operation ? operation.events.length : 1;
      const isFull = events + more > maxGroupEvents || bytes + some > maxGroupBytes || count >= maxGroupOperations;
      if (count > 0 && (isFull || after !== undefined)) break;
      events += more;
      bytes += some;
      count += 1;
    }
    this.#room.bytes -= bytes;
    return this.#waiting.splice(0, count);
  }
}

function bytesOf({ events }: Append): number {
  let bytes = overheadBytes;
  for (const { data } of events) bytes += data.length + overheadBytes;
  return bytes;
}
