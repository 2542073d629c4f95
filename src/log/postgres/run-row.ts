/** A run's record as a row of `runs`: as the driver gives it, and as JSON from within an answer. */
import { asRunId, asTenantId, type StreamKey } from "../../../protocol/ids.ts";
import type { Mode, OnIllegal, Profile } from "../../../protocol/http.ts";
import type { TerminalState } from "../../../protocol/run-view.ts";
import type { RunRecord } from "../event-log.ts";

export interface RunRow {
  readonly stream: string;
  readonly first_offset: number;
  readonly place: number;
  readonly tenant: string;
  readonly run_id: string;
  readonly thread: string | null;
  readonly agent: string;
  readonly profile: string;
  readonly on_illegal: string;
  readonly mode: string;
  readonly lease_ms: number;
  readonly deadline_ms: number | null;
  readonly parent_run_id: string | null;
  readonly start_digest: string;
  readonly started_at: string;
  readonly fence: number;
  readonly seq: number;
  readonly last_offset: number;
  readonly ended: string | null;
}

export function recordOf(row: RunRow): RunRecord {
  const { thread, deadline_ms: deadlineMs, parent_run_id: parent, ended } = row;
  return {
    runId: asRunId(row.run_id),
    tenantId: asTenantId(row.tenant),
    stream: row.stream as StreamKey,
    ...(thread !== null && { threadId: thread }),
    agent: row.agent,
    profile: row.profile as Profile,
    onIllegal: row.on_illegal as OnIllegal,
    mode: row.mode as Mode,
    leaseMs: row.lease_ms,
    ...(deadlineMs !== null && { deadlineMs }),
    ...(parent !== null && { parentRunId: asRunId(parent) }),
    startDigest: row.start_digest,
    startedAt: row.started_at,
    fence: row.fence,
    seq: row.seq,
    firstOffset: row.first_offset,
    lastOffset: row.last_offset,
    ...(ended !== null && { ended: ended as TerminalState }),
  };
}
