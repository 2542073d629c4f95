/** A run's record as a row of `runs`. */
import { asRunId, asTenantId, type StreamKey } from "../../protocol/ids.ts";
import type { Mode, OnIllegal, Profile } from "../../protocol/http.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { NewRun, RunRecord } from "./event-log.ts";

/** A row as SQLite gives it: the schema is STRICT, so each column has its type. */
export interface RunRow {
  readonly id: number;
  readonly stream: number;
  readonly record: RunRecord;
}

/** Runs with the key of their stream; the values stand in the order that `takeRun` takes. */
export const selectRuns = `SELECT r.id, r.stream, s.key, r.tenant, r.run_id, r.thread, r.agent, r.profile,
  r.on_illegal, r.mode, r.lease_ms, r.deadline_ms, r.parent_run_id, r.start_digest, r.started_at, r.fence, r.seq, r.first_offset,
  r.last_offset, r.ended FROM runs r JOIN streams s ON s.id = r.stream`;

type Columns = [
  id: number,
  stream: number,
  key: string,
  tenant: string,
  runId: string,
  thread: string | null,
  agent: string,
  profile: string,
  onIllegal: string,
  mode: string,
  leaseMs: number,
  deadlineMs: number | null,
  parentRunId: string | null,
  startDigest: string,
  startedAt: string,
  fence: number,
  seq: number,
  firstOffset: number,
  lastOffset: number,
  ended: string | null,
];

/** `row` is what `selectRuns` gave with `setReturnArrays`. */
export function takeRun(row: unknown): RunRow {
  const [id, stream, key, tenant, runId, thread, agent, profile, onIllegal, mode, leaseMs, ...rest] = row as Columns;
  const [deadlineMs, parentRunId, startDigest, startedAt, fence, seq, firstOffset, lastOffset, ended] = rest;
  const record: RunRecord = {
    runId: asRunId(runId),
    tenantId: asTenantId(tenant),
    stream: key as StreamKey,
    ...(thread !== null && { threadId: thread }),
    agent,
    profile: profile as Profile,
    onIllegal: onIllegal as OnIllegal,
    mode: mode as Mode,
    leaseMs,
    ...(deadlineMs !== null && { deadlineMs }),
    ...(parentRunId !== null && { parentRunId: asRunId(parentRunId) }),
    startDigest,
    startedAt,
    fence,
    seq,
    firstOffset,
    lastOffset,
    ...(ended !== null && { ended: ended as TerminalState }),
  };
  return { id, stream, record };
}

export const insertRun = `INSERT INTO runs (id, stream, tenant, run_id, thread, agent, profile, on_illegal, mode,
  lease_ms, deadline_ms, parent_run_id, start_digest, started_at, fence, seq, first_offset, last_offset, ended,
  compact_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** How far a run had come when its row is first written. */
export interface RunProgress extends Pick<RunRecord, "fence" | "seq" | "firstOffset" | "lastOffset" | "ended"> {
  readonly endedAt: string | undefined;
}

/** The values of `insertRun`. */
export function runValues(id: number, stream: number, run: NewRun, progress: RunProgress): (string | number | null)[] {
  const { fence, seq, firstOffset, lastOffset, ended, endedAt } = progress;
  return [
    id,
    stream,
    run.tenantId,
    run.runId,
    run.threadId ?? null,
    run.agent,
    run.profile,
    run.onIllegal,
    run.mode,
    run.leaseMs,
    run.deadlineMs ?? null,
    run.parentRunId ?? null,
    run.startDigest,
    run.startedAt,
    fence,
    seq,
    firstOffset,
    lastOffset,
    ended ?? null,
    endedAt ?? null,
  ];
}
