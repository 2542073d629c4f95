/**
 * The bells of other processes, for streams that are followed here: a hint by sharded pub/sub, with names and numbers only.
 * After a break of the line every followed stream is subscribed again and then rung once with where it stands; besides,
 * all are looked at every few seconds, so that a bell that never came costs that time at most (L7, L9).
 */
import { type Epoch, type Offset, type StreamKey } from "../../../protocol/ids.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Bells } from "../bells.ts";
import type { Position } from "../event-log.ts";
import { failureOf, Moved } from "./failure.ts";
import { epochOf } from "./identity.ts";
import type { Line } from "./line.ts";
import type { Servers } from "./servers.ts";

export interface FollowTerms {
  readonly servers: Servers;
  readonly listeners: Bells;
  readonly position: (stream: StreamKey) => Promise<Position>;
  readonly clock: Clock;
  /** Names this process in bells. */
  readonly writer: string;
  readonly pollMs: number;
}

interface Followed {
  count: number;
  epoch: Epoch | undefined;
  head: Offset;
}

/** Streams that are looked at together: in between, the server does what others wait for. */
const lookedAtOnce = 256;
/** How long a broken line is left alone. */
const againMs = 200;

export class Follows {
  readonly #terms: FollowTerms;
  readonly #followed = new Map<StreamKey, Followed>();
  /** Of the lines that have been told what is followed. */
  readonly #heard = new WeakSet<Line>();
  #cancelPoll: (() => void) | undefined;
  #cancelAgain: (() => void) | undefined;
  #isClosed = false;

  constructor(terms: FollowTerms) {
    this.#terms = terms;
    this.#pollLater();
    terms.listeners.watch(({ stream, epoch, head }) => this.#note(stream, epoch, head));
  }

  async follow(stream: StreamKey): Promise<() => void> {
    const followed = this.#followed.get(stream) ?? { count: 0, epoch: undefined, head: 0 };
    this.#followed.set(stream, followed);
    followed.count += 1;
    let isDone = false;
    const unfollow = (): void => {
      if (isDone) return;
      isDone = true;
      this.#leave(stream, followed);
    };
    try {
      await this.#subscribe(await this.#line(stream), stream);
    } catch (error) {
      unfollow();
      throw error;
    }
    return unfollow;
  }

  close(): void {
    this.#isClosed = true;
    this.#followed.clear();
    this.#cancelPoll?.();
    this.#cancelAgain?.();
  }

  #leave(stream: StreamKey, followed: Followed): void {
    followed.count -= 1;
    if (followed.count > 0 || this.#followed.get(stream) !== followed) return;
    this.#followed.delete(stream);
    const channel = this.#terms.servers.keys.channel(stream);
    this.#terms.servers
      .ready("hear", channel)
      ?.unsubscribe(channel)
      .catch(() => {});
  }

  async #line(stream: StreamKey): Promise<Line> {
    const { servers } = this.#terms;
    const channel = servers.keys.channel(stream);
    const line = servers.ready("hear", channel) ?? (await servers.line("hear", channel));
    if (!this.#heard.has(line)) {
      this.#heard.add(line);
      line.onEnd(() => this.#again());
    }
    return line;
  }

  #subscribe(line: Line, stream: StreamKey): Promise<void> {
    const heard = line.subscribe(this.#terms.servers.keys.channel(stream), (message) => this.#hear(stream, message));
    return heard.catch((error: unknown) => {
      // Who asks again asks where it is now.
      if (error instanceof Moved) this.#terms.servers.moved(error);
      throw failureOf(error);
    });
  }

  /** `<writer> <head> <epoch>`. What this process wrote has rung already, with its events. */
  #hear(stream: StreamKey, message: string): void {
    const [writer, head, epoch = ""] = message.split(" ");
    if (writer !== this.#terms.writer && this.#followed.has(stream)) this.#ring(stream, epochOf(epoch), Number(head));
  }

  #ring(stream: StreamKey, epoch: Epoch, head: Offset): void {
    this.#terms.listeners.ring({ stream, epoch, head });
  }

  #note(stream: StreamKey, epoch: Epoch, head: Offset): void {
    const followed = this.#followed.get(stream);
    if (followed === undefined) return;
    followed.head = followed.epoch === epoch ? Math.max(followed.head, head) : head;
    followed.epoch = epoch;
  }

  /** A line has ended: all that is followed is subscribed again, and rung. */
  #again(): void {
    if (this.#isClosed || this.#cancelAgain !== undefined || this.#followed.size === 0) return;
    this.#cancelAgain = this.#terms.clock.after(againMs, () => {
      this.#cancelAgain = undefined;
      void this.#followAll().catch(() => this.#again());
    });
  }

  async #followAll(): Promise<void> {
    const streams = [...this.#followed.keys()];
    await Promise.all(streams.map(async (stream) => this.#subscribe(await this.#line(stream), stream)));
    await this.#look(streams, true);
  }

  async #look(streams: readonly StreamKey[], isRungAnyway: boolean): Promise<void> {
    const failed: unknown[] = [];
    for (let from = 0; from < streams.length; from += lookedAtOnce) {
      const looks = streams.slice(from, from + lookedAtOnce).map((stream) => this.#lookAt(stream, isRungAnyway));
      for (const look of await Promise.allSettled(looks)) if (look.status === "rejected") failed.push(look.reason);
    }
    if (failed.length > 0) throw failureOf(failed[0]);
  }

  async #lookAt(stream: StreamKey, isRungAnyway: boolean): Promise<void> {
    const { epoch, head } = await this.#terms.position(stream);
    const followed = this.#followed.get(stream);
    if (followed === undefined) return;
    const isNews = followed.epoch !== epoch || head > followed.head;
    if (isRungAnyway || isNews) this.#ring(stream, epoch, head);
    this.#note(stream, epoch, head);
  }

  #pollLater(): void {
    if (this.#isClosed || this.#cancelPoll !== undefined) return;
    this.#cancelPoll = this.#terms.clock.after(this.#terms.pollMs, () => {
      this.#cancelPoll = undefined;
      void this.#poll()
        .catch(() => {})
        .finally(() => this.#pollLater());
    });
  }

  /** Also finds out that a line is half open, and ends with its time, or that its server is not any more what it was. */
  async #poll(): Promise<void> {
    const { servers } = this.#terms;
    const streams = [...this.#followed.keys()];
    await Promise.allSettled([servers.verify(), this.#look(streams, false)]);
  }
}
