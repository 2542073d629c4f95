/** How a run begins: its record, and its first event, from what its maker said. */
import type { Mode, StartRunBody } from "../../protocol/http.ts";
import type { RunId, TenantId, UserId } from "../../protocol/ids.ts";
import { asRunId, streamKey } from "../../protocol/ids.ts";
import { RunExists } from "../errors.ts";
import type { NewEvent, NewRun, RunRecord } from "../log/event-log.ts";
import type { PayloadPolicy } from "./contamination.ts";
import { isolated } from "./contamination.ts";
import { bodyDigest } from "./digest.ts";
import { textOf } from "./payload.ts";

export interface Birth {
  readonly tenantId: TenantId;
  readonly runId: RunId;
  readonly body: StartRunBody;
  /** Of a run that names none. */
  readonly leaseMs: number;
  /** The same. */
  readonly mode: Mode;
  /** As its owner's tier lets it. */
  readonly deadlineMs: number | undefined;
  /** ISO 8601 UTC. */
  readonly time: string;
}

export function newRun({ tenantId, runId, body, leaseMs, mode, deadlineMs, time }: Birth): NewRun {
  return {
    runId,
    tenantId,
    stream: streamKey(tenantId, body.userId as UserId),
    threadId: body.threadId,
    agent: body.agent,
    profile: body.profile ?? "standard",
    onIllegal: body.onIllegal ?? "reject",
    mode: body.mode ?? mode,
    leaseMs: body.leaseMs ?? leaseMs,
    deadlineMs,
    parentRunId: body.parentRunId === undefined ? undefined : asRunId(body.parentRunId),
    startDigest: bodyDigest({ ...body, runId, tenantId }),
    startedAt: time,
  };
}

/** Fails: throws `RunExists` when the run that is there was made by another call. */
export function requireSame(there: RunRecord, wanted: NewRun): void {
  if (there.stream !== wanted.stream || there.startDigest !== wanted.startDigest)
    throw new RunExists({ message: "a run with this id exists and was made by another call" });
}

/** Fails: throws `Contaminated` for an input that names somebody else, `InvalidInput` for one that is not JSON. */
export function startEvent(
  { tenantId, body, time }: Birth,
  id: string,
  policy: PayloadPolicy,
  traceparent?: string,
): NewEvent {
  const { agent, parentRunId, parentToolCallId } = body;
  const owner = { tenantId, userId: body.userId as UserId };
  const said = textOf(body.input, () => "input");
  const rest = JSON.stringify({ agent, parentRunId, parentToolCallId });
  // The text that was looked at is the text that is written: an object may say something else when it is asked again.
  const data =
    said === undefined ? rest : `${rest.slice(0, -1)},"input":${isolated(said, owner, () => "input", policy)}}`;
  return { id, type: "agent_started", time, data, threadId: body.threadId, traceparent };
}
