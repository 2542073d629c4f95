/**
 * The order of one stream's writes: as they were called (L3). What is one step goes out at once, behind all that was sent
 * on the same line; what takes several steps holds back what was called after it.
 */
import type { StreamKey } from "../../../protocol/ids.ts";

export class Turns {
  readonly #tails = new Map<StreamKey, Promise<void>>();
  readonly #isReady: (stream: StreamKey) => boolean;
  readonly #getReady: (stream: StreamKey) => Promise<unknown>;
  #running = 0;
  #onIdle: (() => void)[] = [];

  constructor(isReady: (stream: StreamKey) => boolean, getReady: (stream: StreamKey) => Promise<unknown>) {
    this.#isReady = isReady;
    this.#getReady = getReady;
  }

  step<Answer>(stream: StreamKey, work: () => Promise<Answer>): Promise<Answer> {
    if (!this.#tails.has(stream) && this.#isReady(stream)) return this.#count(work());
    return this.#queue(stream, work, true);
  }

  steps<Answer>(stream: StreamKey, work: () => Promise<Answer>): Promise<Answer> {
    return this.#queue(stream, work, false);
  }

  /** When all that was called is settled. */
  idle(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve));
  }

  #queue<Answer>(stream: StreamKey, work: () => Promise<Answer>, isOneStep: boolean): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const turn = (this.#tails.get(stream) ?? Promise.resolve()).then(async () => {
      // Why it is not ready, the work itself will say.
      if (isOneStep && !this.#isReady(stream)) await this.#getReady(stream).catch(() => {});
      const answer = work();
      answer.then(resolve, reject);
      if (!isOneStep) await answer.catch(() => {});
    });
    this.#tails.set(stream, turn);
    void turn.then(() => {
      if (this.#tails.get(stream) === turn) this.#tails.delete(stream);
    });
    return this.#count(promise);
  }

  async #count<Answer>(answer: Promise<Answer>): Promise<Answer> {
    this.#running += 1;
    try {
      return await answer;
    } finally {
      this.#running -= 1;
      if (this.#running === 0) {
        const onIdle = this.#onIdle;
        this.#onIdle = [];
        for (const resolve of onIdle) resolve();
      }
    }
  }
}
