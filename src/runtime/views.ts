/**
 * Folded runs, read from the log: what a snapshot frame carries and `GET /runs/{id}` answers. Folded when somebody
 * asks, never on the way of an event; the fold of a living run is kept and goes on from where it stood.
 */
import type { RunFold } from "../../machines/run-view.ts";
import { foldRun } from "../../machines/run-view.ts";
import type { RunEvent } from "../../protocol/event.ts";
import type { Offset, RunKey, StreamKey } from "../../protocol/ids.ts";
import { runKey } from "../../protocol/ids.ts";
import type { RunView } from "../../protocol/run-view.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import { runPages } from "../log/run-pages.ts";
import { eventObject } from "./frames.ts";

/** Folds that are kept; the oldest goes. */
const maxKept = 256;

export class Views {
  private readonly log: EventLog;
  private readonly isStalled: (record: RunRecord) => boolean;
  private readonly kept = new Map<RunKey, RunFold>();

  constructor(log: EventLog, isStalled: (record: RunRecord) => boolean) {
    this.log = log;
    this.isStalled = isStalled;
  }

  /** The run folded up to `record.seq`, no further: the caller's record says where its tail begins. */
  async view(record: RunRecord): Promise<RunView | undefined> {
    const { tenantId, runId, seq } = record;
    const key = runKey(tenantId, runId);
    const before = this.kept.get(key);
    let fold = before && before.view.seq <= seq ? before : undefined;
    for await (const events of runPages(this.log, record, fold?.view.seq ?? 0))
      for (const event of events) fold = foldRun(fold, eventObject(event) as RunEvent);
    if (fold === undefined) return undefined;
    this.keep(key, fold, record.ended !== undefined);
    return this.isStalled(record) ? { ...fold.view, stalled: true } : fold.view;
  }

  /** Every living run of a stream at its head, in one read. */
  async living(stream: StreamKey): Promise<{ readonly at: Offset; readonly runs: readonly RunView[] }> {
    const { head, runs } = await this.log.living(stream);
    const views: RunView[] = [];
    for (const record of runs) {
      const view = await this.view(record);
      if (view) views.push(view);
    }
    return { at: head, runs: views };
  }

  /** A log has another history than was read: nothing goes on from where it stood. */
  forget(): void {
    this.kept.clear();
  }

  private keep(key: RunKey, fold: RunFold, ended: boolean): void {
    this.kept.delete(key);
    if (ended) return;
    this.kept.set(key, fold);
    const oldest = this.kept.keys().next().value;
    if (this.kept.size > maxKept && oldest !== undefined) this.kept.delete(oldest);
  }
}
