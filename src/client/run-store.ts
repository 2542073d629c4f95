/**
 * The runs as they look now: every event of the stream folded in by the run machine (`machines/run-view`), the same
 * fold that makes the server's snapshots. What it holds is bounded: of the runs that are over, only the newest stay.
 */
import { foldRun, markStalled, resumeFold, type RunFold } from "../../machines/run-view.ts";
import type { StreamEvent } from "../../protocol/event.ts";
import type { RunView } from "../../protocol/run-view.ts";
import { Listeners, type Unsubscribe } from "./listeners.ts";

/** A new view of a run, or undefined: it is no longer known. */
export interface RunChange {
  readonly runId: string;
  readonly view: RunView | undefined;
}

export const isOver = (view: RunView): boolean => view.endedBy !== undefined;

export class RunStore {
  readonly #maxEnded: number;
  readonly #folds = new Map<string, RunFold>();
  /** Runs that are over, oldest end first. */
  readonly #ended = new Set<string>();
  readonly #changed = new Set<string>();
  readonly #listeners = new Listeners<RunChange>();
  #newestFirst: readonly RunView[] | undefined;

  constructor(maxEnded: number) {
    this.#maxEnded = maxEnded;
  }

  get(runId: string): RunView | undefined {
    return this.#folds.get(runId)?.view;
  }

  /** All that are known, the newest first. The same array until something changes. */
  all(): readonly RunView[] {
    this.#newestFirst ??= [...this.#folds.values()]
      .map(({ view }) => view)
      .sort((a, b) => b.startedAt.localeCompare(a.startedAt) || b.runId.localeCompare(a.runId));
    return this.#newestFirst;
  }

  onChange(listener: (change: RunChange) => void): Unsubscribe {
    return this.#listeners.add(listener);
  }

  fold(event: StreamEvent): void {
    if (event.runId === undefined) return;
    const before = this.#folds.get(event.runId);
    // A runner that is heard again is not stalled, whatever was said beside the stream.
    const awake = before?.view.stalled === true ? markStalled(before, false) : before;
    this.#put(foldRun(awake, event));
  }

  /** The living runs, all of them: what we held as living and is not among them ended in a gap. */
  restore(views: readonly RunView[]): void {
    const living = new Set<string>(views.map(({ runId }) => runId));
    for (const { view } of [...this.#folds.values()])
      if (!isOver(view) && !living.has(view.runId)) this.#drop(view.runId);
    for (const view of views) this.#put(resumeFold(view));
  }

  stalled(runId: string, stalled: boolean): void {
    const fold = this.#folds.get(runId);
    if (fold !== undefined && !isOver(fold.view)) this.#put(markStalled(fold, stalled));
  }

  /** The stream is no more, and what was folded from it says nothing. */
  reset(): void {
    for (const runId of [...this.#folds.keys()]) this.#drop(runId);
  }

  /** Tells the listeners, once for each run that changed since the last time. */
  notify(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const runId of changed) this.#listeners.emit({ runId, view: this.get(runId) });
  }

  #put(fold: RunFold): void {
    const { view } = fold;
    if (this.#folds.get(view.runId) === fold) return;
    this.#folds.set(view.runId, fold);
    this.#touch(view.runId);
    if (!isOver(view)) return;
    this.#ended.add(view.runId);
    if (this.#ended.size <= this.#maxEnded) return;
    for (const oldest of this.#ended) return this.#drop(oldest);
  }

  #drop(runId: string): void {
    this.#folds.delete(runId);
    this.#ended.delete(runId);
    this.#touch(runId);
  }

  #touch(runId: string): void {
    this.#changed.add(runId);
    this.#newestFirst = undefined;
  }
}
