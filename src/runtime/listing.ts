/** Lists as the wire has them: a run in a list, and a page of events. */
import { runStateOf } from "../../machines/legality.ts";
import type { EventsAnswer, RunSummary } from "../../protocol/http.ts";
import { streamOwner } from "../../protocol/ids.ts";
import type { RunState } from "../../protocol/run-view.ts";
import type { RunRecord, StoredEvent } from "../log/event-log.ts";
import { eventObject } from "./frames.ts";
import type { Runs } from "./runs.ts";
import type { Views } from "./views.ts";

export async function summaryOf(record: RunRecord, runs: Runs, views: Views): Promise<RunSummary> {
  const { tenantId, userId } = streamOwner(record.stream);
  const state = record.ended ?? (await stateOf(record, runs, views));
  const { runId, threadId, agent, seq, lastOffset, startedAt, parentRunId } = record;
  return {
    ...{ runId, userId, tenantId, agent, state, seq, offset: lastOffset, startedAt },
    ...(threadId !== undefined && { threadId }),
    ...(parentRunId !== undefined && { parentRunId }),
  };
}

async function stateOf(record: RunRecord, runs: Runs, views: Views): Promise<RunState> {
  const desk = runs.atHand(record.tenantId, record.runId);
  // Where others write, too, the log knows better.
  if (desk?.run.isShared === false) return runStateOf(desk.run.actor.getSnapshot());
  return (await views.view(record))?.state ?? "started";
}

/** `last` is where the page ends, `end` where the list does; both are seqs, or both offsets. */
export function pageOf(events: readonly StoredEvent[], last: number, end: number): EventsAnswer {
  return {
    events: events.map(eventObject),
    next: last >= end ? null : last,
  };
}
