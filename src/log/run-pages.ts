/** A run's events from the log, page by page: what brings a run back, and what folds it, reads the same way. */
import type { Seq } from "../../protocol/ids.ts";
import type { EventLog, ReadLimit, RunRecord, StoredEvent } from "./event-log.ts";

const page: ReadLimit = { maxEvents: 1_000, maxBytes: 4 * 1_048_576 };

/** The events with afterSeq < seq ≤ `record.seq`, ascending: the record says where its caller stops. */
export async function* runPages(
  log: Pick<EventLog, "readRun">,
  { tenantId, runId, seq }: RunRecord,
  afterSeq: Seq,
): AsyncGenerator<readonly StoredEvent[], void, undefined> {
  for (let at = afterSeq; at < seq; ) {
    const events = await log.readRun(tenantId, runId, at, page);
    const last = events.at(-1)?.seq;
    if (last === undefined) return;
    yield last <= seq ? events : events.filter((event) => (event.seq ?? 0) <= seq);
    at = last;
  }
}
