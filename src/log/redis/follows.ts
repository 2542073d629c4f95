/**
 * The bells of other processes, for streams that are followed here: a hint by sharded pub/sub, with names and numbers only.
 * After a break of the line every followed stream is subscribed again and then rung once with where it stands; besides,
 * all are looked at every few seconds, so that a bell that never came costs that time at most (L7, L9).
 */
import { type Epoch, type Offset, type StreamKey } from "../../../protocol/ids.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Bells } from "../bells.ts";
import type { Position } from "../event-log.ts";
import { following } from "../following.ts";
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
  /** The one ear on its channel, however many follow it. */
  readonly hear: (message: string) => void;
  /** Where that ear is, or is being put. */
  line: Line | undefined;
  standing: Promise<void>;
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
    const followed = this.#followed.get(stream) ?? this.#newFollowed(stream);
    const join = async () => this.#subscribed(await this.#line(stream), stream, followed);
    return following(followed, join, () => this.#leaveStanding(stream, followed));
  }

  close(): void {
    this.#isClosed = true;
    this.#followed.clear();
    this.#cancelPoll?.();
    this.#cancelAgain?.();
  }

  #newFollowed(stream: StreamKey): Followed {
    const hear = (message: string): void => this.#hear(stream, message);
    const followed = { count: 0, epoch: undefined, head: 0, hear, line: undefined, standing: Promise.resolve() };
    this.#followed.set(stream, followed);
    return followed;
  }

  /** When its ear is put and nobody has come back meanwhile: a channel that is left and entered at once may stay mute. */
  #leaveStanding(stream: StreamKey, followed: Followed): void {
    const { standing } = followed;
    const leave = (): void => {
      if (followed.count > 0 || this.#followed.get(stream) !== followed) return;
      // The line was another meanwhile.
      if (followed.standing !== standing) return this.#leaveStanding(stream, followed);
      this.#followed.delete(stream);
      const { line, hear } = followed;
      line?.unsubscribe(this.#terms.servers.keys.channel(stream), hear).catch(() => {});
    };
    standing.then(leave, leave);
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

  #subscribed(line: Line, stream: StreamKey, followed: Followed): Promise<void> {
    if (followed.line === line) return followed.standing;
    const forget = (error: unknown): never => {
      if (followed.line === line) followed.line = undefined;
      // Who asks again asks where it is now.
      if (error instanceof Moved) this.#terms.servers.moved(error);
      throw failureOf(error);
    };
    followed.line = line;
    followed.standing = line.subscribe(this.#terms.servers.keys.channel(stream), followed.hear).catch(forget);
    return followed.standing;
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
    const followed = [...this.#followed];
    await Promise.all(followed.map(async ([stream, each]) => this.#subscribed(await this.#line(stream), stream, each)));
    await this.#look(
      followed.map(([stream]) => stream),
      true,
    );
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
