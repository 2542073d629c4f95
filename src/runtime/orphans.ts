/**
 * The unfinished runs that a former process left in the store (L16): each goes on the deadline wheel, none is brought
 * back for it. A runner that has not come back within its lease is treated as one that fell silent here: shown as
 * stalled, then interrupted.
 */
import type { EventLog, RunRecord } from "../log/event-log.ts";
import type { Deadlines } from "./deadlines.ts";
import { RunDesk } from "./run-desk.ts";
import type { Runs } from "./runs.ts";

const pageSize = 1_000;
/** Between two looks, while the log does not answer. */
const retryMs = 1_000;

export class Orphans {
  private readonly log: EventLog;
  private readonly deadlines: Deadlines;
  private readonly runs: Runs;

  constructor(log: EventLog, deadlines: Deadlines, runs: Runs) {
    this.log = log;
    this.deadlines = deadlines;
    this.runs = runs;
  }

  /** Reads the store once, at start; `onOrphan` hears of each run. */
  async sweep(onOrphan: (record: RunRecord) => void): Promise<void> {
    let before: string | undefined;
    do {
      const { runs, next } = await this.log.runs({ living: true, before, limit: pageSize });
      for (const record of runs) {
        onOrphan(record);
        this.deadlines.after(record.leaseMs, () => this.lapse(record));
      }
      before = next ?? undefined;
    } while (before !== undefined);
  }

  private lapse(record: RunRecord): void {
    const { tenantId, runId } = record;
    // Its runner came back meanwhile: the desk's own lease watches it.
    if (this.runs.atHand(tenantId, runId)) return;
    void this.runs.find(tenantId, runId).then(
      (found) => {
        if (found instanceof RunDesk) found.lease.lapse();
      },
      () => this.deadlines.after(retryMs, () => this.lapse(record)),
    );
  }
}
