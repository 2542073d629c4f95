/**
 * One settled connection: every command on it has its time, and when one gets no answer the connection is given up and
 * all that wait on it fail with `LogUnavailable`. Answers come in the order of the calls. `servers` dials and settles it.
 */
import type { Clock } from "../../platform/clock.ts";
import type { RawConnection } from "../../platform/redis-dialer.ts";
import { failureOf, isElsewhere, isUnknownScript, movedOf, unavailable } from "./failure.ts";
import type { Script } from "./script.ts";

/** What a command costs in memory besides its text. */
const commandOverheadBytes = 200;

export class Line {
  /** Of the server at its other end: see `identity`. */
  readonly history: string;
  readonly #raw: RawConnection;
  readonly #clock: Clock;
  readonly #callMs: number;
  readonly #maxBytes: number;
  /** When each that waits was sent, oldest first. */
  readonly #sentMono: number[] = [];
  #waitingBytes = 0;
  #isOpen = true;
  #isWatched = false;
  #onEnd: (() => void)[] = [];

  constructor(raw: RawConnection, history: string, terms: { clock: Clock; callMs: number; maxBytes: number }) {
    this.#raw = raw;
    this.history = history;
    this.#clock = terms.clock;
    this.#callMs = terms.callMs;
    this.#maxBytes = terms.maxBytes;
    raw.on("error", () => this.close());
    raw.on("end", () => this.close());
    // The server gave a followed slot away: what is followed is subscribed anew.
    raw.on("sharded-channel-moved", () => this.close());
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Fails: `LogUnavailable`, `LogFull`. `extraMs`: how much longer than others it may take. */
  ask(words: readonly string[], extraMs = 0): Promise<unknown> {
    const bytes = words.reduce((sum, word) => sum + word.length, commandOverheadBytes);
    return this.#timed(bytes, extraMs, () => this.#raw.sendCommand(words));
  }

  subscribe(channel: string, hear: (message: string, channel: string) => void): Promise<void> {
    return this.#timed(channel.length, 0, () => this.#raw.sSubscribe(channel, hear));
  }

  unsubscribe(channel: string, hear: (message: string, channel: string) => void): Promise<void> {
    return this.#timed(channel.length, 0, () => this.#raw.sUnsubscribe(channel, hear));
  }

  /** Fails also: `Moved`. */
  async run({ sha, text }: Script, keys: readonly string[], args: readonly string[]): Promise<readonly string[]> {
    const words = [String(keys.length), ...keys, ...args];
    try {
      return (await this.ask(["EVALSHA", sha, ...words])) as readonly string[];
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      // It was not run. Who emptied the server's scripts emptied them once.
      return (await this.ask(["EVAL", text, ...words])) as readonly string[];
    }
  }

  onEnd(listener: () => void): void {
    if (this.#isOpen) this.#onEnd.push(listener);
    else listener();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#raw.destroy();
    } catch {
      // It is closed as it is.
    }
    const onEnd = this.#onEnd;
    this.#onEnd = [];
    for (const listener of onEnd) listener();
  }

  async #timed<Answer>(bytes: number, extraMs: number, send: () => Promise<Answer>): Promise<Answer> {
    if (!this.#isOpen) throw unavailable("the connection to the Redis server is closed");
    if (this.#waitingBytes + bytes > this.#maxBytes && this.#sentMono.length > 0)
      throw unavailable(`more than ${this.#maxBytes} bytes wait for the Redis server`);
    this.#sentMono.push(this.#clock.mono() + extraMs);
    this.#waitingBytes += bytes;
    this.#watch();
    try {
      return await send();
    } catch (error) {
      if (isUnknownScript(error)) throw error;
      const moved = movedOf(error);
      if (moved !== undefined) throw moved;
      if (isElsewhere(error)) this.close();
      throw failureOf(error);
    } finally {
      this.#sentMono.shift();
      this.#waitingBytes -= bytes;
    }
  }

  /** One timer for all that wait, as long as something does. */
  #watch(): void {
    const [oldest] = this.#sentMono;
    if (this.#isWatched || oldest === undefined || !this.#isOpen) return;
    this.#isWatched = true;
    this.#clock.after(oldest + this.#callMs - this.#clock.mono(), () => {
      // What came while this process was busy is read first: timers are called before sockets are looked at.
      this.#clock.after(0, () => this.#judge());
    });
  }

  #judge(): void {
    this.#isWatched = false;
    const [waiting] = this.#sentMono;
    if (waiting !== undefined && waiting + this.#callMs <= this.#clock.mono()) this.close();
    else this.#watch();
  }
}
