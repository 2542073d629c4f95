/** One run as the application watches it: the newest view, each change of it, and its end. */
import type { RunView } from "../../protocol/run-view.ts";
import { RunLost } from "./client-error.ts";
import type { Listeners, Unsubscribe } from "./listeners.ts";
import { isOver, type RunChange, type RunStore } from "./run-store.ts";

export class LiveRun {
  readonly runId: string;
  readonly #store: RunStore;
  readonly #stopped: Listeners<Error>;

  constructor(runId: string, store: RunStore, stopped: Listeners<Error>) {
    this.runId = runId;
    this.#store = store;
    this.#stopped = stopped;
  }

  /** Undefined until the first event of the run, or a snapshot with it, has come. */
  get view(): RunView | undefined {
    return this.#store.get(this.runId);
  }

  /** Calls back when the view has changed: once for a batch of events. */
  subscribe(listener: (view: RunView | undefined) => void): Unsubscribe {
    return this.#store.onChange((change) => {
      if (change.runId === this.runId) listener(change.view);
    });
  }

  /**
   * Resolves with the view in which the run is over. A run that was over before the client came is not in a snapshot:
   * for it this waits on.
   *
   * `Fails` RunLost: its end lies in a declared gap. ClientStopped: the client was stopped before.
   */
  get done(): Promise<RunView> {
    const { promise, resolve, reject } = Promise.withResolvers<RunView>();
    const stopWatching = this.#watch(({ view }) => {
      if (view === undefined) reject(new RunLost(`run ${this.runId} is no longer in the stream`));
      else if (isOver(view)) resolve(view);
    }, reject);
    const { view } = this;
    if (view !== undefined && isOver(view)) resolve(view);
    promise.then(stopWatching, stopWatching);
    return promise;
  }

  /** The views as they come, to the last one. Whoever reads slowly gets the newest, and misses those between. */
  async *changes(): AsyncGenerator<RunView, void, undefined> {
    let wake = Promise.withResolvers<boolean>();
    const stopWatching = this.#watch(
      () => wake.resolve(true),
      () => wake.resolve(false),
    );
    try {
      let shown: RunView | undefined;
      for (let goesOn = true; goesOn; goesOn = await wake.promise) {
        wake = Promise.withResolvers();
        const { view } = this;
        if (view === shown) continue;
        shown = view;
        if (view !== undefined) yield view;
        if (view === undefined || isOver(view)) return;
      }
    } finally {
      stopWatching();
    }
  }

  #watch(changed: (change: RunChange) => void, stopped: (error: Error) => void): Unsubscribe {
    const forgetStop = this.#stopped.add(stopped);
    const forgetChange = this.#store.onChange((change) => {
      if (change.runId === this.runId) changed(change);
    });
    return () => {
      forgetStop();
      forgetChange();
    };
  }
}
