/**
 * The workers of one `serve`: each has a place, and who dies is replaced after a growing delay. `primary` stands before
 * it, the port `Hand` after it. Only the first start may end the whole: what cannot start then never could.
 */
import type { Clock } from "../../platform/clock.ts";
import type { Journal } from "../../telemetry/journal.ts";
import type { Ending, Hand } from "./hand.ts";

export interface CrewTerms {
  readonly size: number;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly hire: (worker: number) => Hand;
}

interface Place {
  readonly worker: number;
  hand: Hand | undefined;
  /** Deaths in a row: who has worked for a while begins anew. */
  failures: number;
  deaths: number;
  cancelHiring: (() => void) | undefined;
}

/** A worker that has not said so by then hangs. */
const startLimitMs = 60_000;
/** A little more than a worker gives itself. */
const drainLimitMs = 9_500;
const firstDelayMs = 250;
const maxDelayMs = 30_000;
/** Who has worked for so long has not died of its start. */
const provenMs = 60_000;

export class Crew {
  private readonly terms: CrewTerms;
  private readonly places: readonly Place[];
  private isStarted = false;
  private isStopping = false;
  private isRolling = false;

  constructor(terms: CrewTerms) {
    this.terms = terms;
    this.places = Array.from({ length: terms.size }, (_, index) => ({
      worker: index + 1,
      hand: undefined,
      failures: 0,
      deaths: 0,
      cancelHiring: undefined,
    }));
  }

  /** Who works now, in the order of places. */
  get members(): readonly { readonly worker: number; readonly deaths: number; readonly hand: Hand | undefined }[] {
    return this.places;
  }

  /**
   * Starts one worker, then the others: what is wrong for all is said once. The answer is the URL; undefined when one of
   * them could not start, and then none is left.
   */
  async start(): Promise<string | undefined> {
    const [first, ...others] = this.places;
    const url = first && (await this.begin(first));
    if (url === undefined || this.isStopping) return url;
    const urls = await Promise.all(others.map((place) => this.begin(place)));
    this.isStarted = urls.every((other) => other !== undefined);
    if (this.isStopping || this.isStarted) return url;
    await this.stop();
    return undefined;
  }

  /** Replaces the workers one after another, each when the next one is ready. False: one could not start; the others stay. */
  async roll(): Promise<boolean> {
    const { journal } = this.terms;
    if (!this.isStarted || this.isRolling || this.isStopping) return true;
    this.isRolling = true;
    journal.write("info", "workers.rolling", { workers: this.places.length });
    try {
      for (const place of this.places) if (!this.isStopping && !(await this.replace(place))) return false;
      journal.write("info", "workers.rolled");
      return true;
    } finally {
      this.isRolling = false;
    }
  }

  /** Drains all. False: one had to be killed. */
  async stop(): Promise<boolean> {
    this.isStopping = true;
    for (const place of this.places) place.cancelHiring?.();
    const ends = await Promise.all(
      this.places.map(({ hand }) => (hand ? this.drain(hand, false) : Promise.resolve(true))),
    );
    return !ends.includes(false);
  }

  /** A worker that must start: its URL, or undefined and its place is empty. */
  private async begin(place: Place): Promise<string | undefined> {
    const hand = this.terms.hire(place.worker);
    place.hand = hand;
    const url = await this.readiness(hand);
    if (url !== undefined) {
      this.watch(place, hand);
      return url;
    }
    place.hand = undefined;
    // One that ended by itself has said why.
    const { signal } = await hand.ended;
    if (signal !== null && !this.isStopping)
      this.terms.journal.write("error", "worker.notStarted", { worker: place.worker, pid: hand.pid, signal });
    return undefined;
  }

  /** Its URL; undefined when it ended before it was ready, or was ended because it hung. */
  private async readiness(hand: Hand): Promise<string | undefined> {
    const cancel = this.terms.clock.after(startLimitMs, () => hand.kill());
    const url = await hand.ready;
    cancel();
    return url;
  }

  private watch(place: Place, hand: Hand): void {
    const { clock } = this.terms;
    const sinceMono = clock.mono();
    place.hand = hand;
    void hand.ended.then((ending) => {
      if (place.hand !== hand) return;
      if (clock.mono() - sinceMono >= provenMs) place.failures = 0;
      this.bury(place, hand, ending);
    });
  }

  private bury(place: Place, { pid }: Hand, { code, signal }: Ending): void {
    const { clock, journal } = this.terms;
    place.hand = undefined;
    if (this.isStopping) return;
    const inMs = Math.min(maxDelayMs, firstDelayMs * 2 ** place.failures);
    place.failures += 1;
    place.deaths += 1;
    journal.write("error", "worker.died", { worker: place.worker, pid, code, signal, restartInMs: inMs });
    place.cancelHiring = clock.after(inMs, () => void this.hireAgain(place));
  }

  private async hireAgain(place: Place): Promise<void> {
    const { journal, hire } = this.terms;
    place.cancelHiring = undefined;
    const hand = hire(place.worker);
    place.hand = hand;
    const url = await this.readiness(hand);
    if (place.hand !== hand) return;
    if (url === undefined) return this.bury(place, hand, await hand.ended);
    journal.write("info", "worker.ready", { worker: place.worker, pid: hand.pid });
    this.watch(place, hand);
  }

  private async replace(place: Place): Promise<boolean> {
    const { journal, hire } = this.terms;
    const { worker } = place;
    const fresh = hire(worker);
    if ((await this.readiness(fresh)) === undefined) {
      journal.write("error", "workers.rollFailed", { worker, pid: fresh.pid, ...(await fresh.ended) });
      return false;
    }
    if (this.isStopping) return this.drain(fresh, false);
    const old = place.hand;
    place.cancelHiring?.();
    place.cancelHiring = undefined;
    place.failures = 0;
    this.watch(place, fresh);
    if (old !== undefined) await this.drain(old, true);
    journal.write("info", "worker.replaced", { worker, pid: fresh.pid, was: old?.pid });
    return true;
  }

  /** False: it had to be killed, or did not end as one that is drained. */
  private async drain(hand: Hand, isReplaced: boolean): Promise<boolean> {
    hand.tell({ kind: "drain", isReplaced });
    const cancel = this.terms.clock.after(drainLimitMs, () => hand.kill());
    const { code } = await hand.ended;
    cancel();
    return code === 0;
  }
}
