/** A new token for a connection that is live, before the old one runs out: no reconnect (LESSONS 44). */
import { fullJitter } from "./backoff.ts";
import type { Random, Timers } from "./timers.ts";

/** A token that lives shorter than the server's notice must not make the two talk without pause. */
const restMs = 5_000;
/** Before the callback is asked again after it failed. */
const retryMs = 1_000;

export interface TokenRefreshOutput {
  /** Gets a token and hands it over; false when there is none. */
  readonly renew: () => Promise<boolean>;
}

export class TokenRefresh {
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #output: TokenRefreshOutput;
  #cancel: (() => void) | undefined;
  #isWanted = false;
  /** Another connection has another number: what was begun for an older one ends there. */
  #generation = 0;
  #isAsking = false;

  constructor(timers: Timers, random: Random, output: TokenRefreshOutput) {
    this.#timers = timers;
    this.#random = random;
    this.#output = output;
  }

  /** The server says that the token runs out. */
  want(): void {
    this.#isWanted = true;
    if (this.#cancel === undefined && !this.#isAsking) void this.#renew();
  }

  stop(): void {
    this.#generation += 1;
    this.#isWanted = false;
    this.#isAsking = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  async #renew(): Promise<void> {
    const generation = this.#generation;
    this.#isAsking = true;
    this.#isWanted = false;
    const isDone = await this.#output.renew();
    if (generation !== this.#generation) return;
    this.#isAsking = false;
    this.#isWanted ||= !isDone;
    this.#cancel = this.#timers.after(isDone ? restMs : fullJitter(retryMs, retryMs, this.#random), () => {
      this.#cancel = undefined;
      if (this.#isWanted) void this.#renew();
    });
  }
}
