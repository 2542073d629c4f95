/**
 * Runs whose runner is silent, told to the application where several nodes serve one log: when the lease is over, so that nobody
 * hears of a run that another node serves, and at one node only, so that no two take it over. A document at an expected version
 * decides which; it goes when the run is heard again or has ended. Whoever was told has the grace period to claim it (L16).
 */
import type { RunKey } from "../../protocol/ids.ts";
import { runKey } from "../../protocol/ids.ts";
import { documentOf } from "../log/documents.ts";
import type { EventLog, RunRecord } from "../log/event-log.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Deadlines } from "./deadlines.ts";
import { keyedRun } from "./lease-marks.ts";

const kind = "orphan";
const retryMs = 1_000;
/** Documents of runs that are over, whose node died before it could take them away: looked after at a start. */
const maxTidied = 500;

export interface SharedOrphansTerms {
  readonly log: Pick<EventLog, "documents" | "putDocument" | "run">;
  readonly deadlines: Deadlines;
  readonly journal: Journal;
  /** The application; never throws. */
  readonly tell: (record: RunRecord) => void;
}

export class SharedOrphans {
  private readonly terms: SharedOrphansTerms;
  private readonly silent = new Map<RunKey, RunRecord>();
  /** Where the documents stand that this node has written. */
  private readonly written = new Map<RunKey, number>();

  constructor(terms: SharedOrphansTerms) {
    this.terms = terms;
  }

  /** A run is called silent here, or is not any more. */
  note(record: RunRecord, isSilent: boolean): void {
    const key = runKey(record.tenantId, record.runId);
    if (!isSilent) {
      this.silent.delete(key);
      return void this.forget(key);
    }
    this.silent.set(key, record);
    void this.offer(key, record);
  }

  /** Never rejects. */
  async tidy(): Promise<void> {
    const { log } = this.terms;
    try {
      for (const { key, version } of await log.documents({ kind, limit: maxTidied })) {
        const { tenantId, runId } = keyedRun(key as RunKey);
        const record = await log.run(tenantId, runId);
        if (record !== undefined && record.ended === undefined) continue;
        await log.putDocument({ kind, key, value: undefined, expected: version });
      }
    } catch (cause) {
      this.terms.journal.write("debug", "orphans.notTidied", { cause });
    }
  }

  /** As long as it is silent, until the log says who tells of it. */
  private async offer(key: RunKey, record: RunRecord): Promise<void> {
    if (this.silent.get(key) !== record) return;
    try {
      if (await this.isMine(key, record)) this.terms.tell(record);
    } catch (cause) {
      this.terms.journal.write("warn", "orphans.notOffered", { runId: record.runId, cause });
      this.terms.deadlines.after(retryMs, () => void this.offer(key, record));
    }
  }

  private async isMine(key: RunKey, { tenantId, runId }: RunRecord): Promise<boolean> {
    const { log } = this.terms;
    const stood = await documentOf(log, kind, key);
    const before = await log.run(tenantId, runId);
    const fence = String(before?.fence);
    // Under this fence somebody has been told already.
    if (before === undefined || before.ended !== undefined || stood?.value === fence) return false;
    const put = await log.putDocument({ kind, key, value: fence, expected: stood?.version ?? 0 });
    if (put.kind !== "written") return false;
    this.written.set(key, put.version);
    // Who was told before may have claimed it, and taken the document away, in between.
    const record = await log.run(tenantId, runId);
    if (record?.seq === before.seq && record.fence === before.fence && this.silent.has(key)) return true;
    await this.forget(key);
    return false;
  }

  /** What cannot be taken away now says nothing under another fence, and is tidied away after the run. */
  private async forget(key: RunKey): Promise<void> {
    const expected = this.written.get(key);
    if (expected === undefined) return;
    this.written.delete(key);
    await this.terms.log.putDocument({ kind, key, value: undefined, expected }).catch(() => {});
  }
}
