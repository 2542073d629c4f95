/** Streams, runs and events for the event-log contract: plain, numbered, the same at every call. */
import { asRunId, asTenantId, asUserId, type RunId, type StreamKey, streamKey } from "../../../protocol/ids.ts";
import type { TerminalState } from "../../../protocol/run-view.ts";
import type { Append, Appended, EventLog, NewEvent, NewRun, ReadLimit } from "../../log/event-log.ts";

export const time = "2026-11-21T10:00:00.000Z";
export const tenant = asTenantId("acme");
export const alice = streamKey(tenant, asUserId("alice"));
export const bob = streamKey(tenant, asUserId("bob"));
export const run1 = asRunId("run-1");
export const run2 = asRunId("run-2");
export const wide: ReadLimit = { maxEvents: 100_000, maxBytes: 2 ** 30 };

export function event(name: string, more: Partial<NewEvent> = {}): NewEvent {
  return { id: `id-${name}`, type: "agent_thinking", time, data: JSON.stringify({ name }), ...more };
}

export function keyed(name: string, digest = `digest of ${name}`): NewEvent {
  return event(name, { key: { name, digest } });
}

export function newRun(runId: RunId = run1, stream: StreamKey = alice, more: Partial<NewRun> = {}): NewRun {
  return {
    runId,
    tenantId: tenant,
    stream,
    agent: "assistant",
    profile: "standard",
    onIllegal: "reject",
    mode: "regular",
    leaseMs: 30_000,
    startDigest: `start of ${runId}`,
    startedAt: time,
    ...more,
  };
}

/** Creates the run with one event. */
export function started(create: NewRun, events: readonly NewEvent[] = [event(`${create.runId} started`)]): Append {
  const { stream, tenantId, runId } = create;
  return { stream, events, run: { tenantId, runId, expectedSeq: 0, create } };
}

/** The next batch of `run1` of alice, or of the run that `more` names. */
export function next(expectedSeq: number, events: readonly NewEvent[], more: Partial<Append["run"]> = {}): Append {
  return { stream: alice, events, run: { tenantId: tenant, runId: run1, expectedSeq, ...more } };
}

export function ending(expectedSeq: number, ended: TerminalState = "completed"): Append {
  return next(expectedSeq, [event(ended)], { ended });
}

export function notice(stream: StreamKey, ...names: string[]): Append {
  return { stream, events: names.map((name) => event(name, { type: "x.notice" })) };
}

/** Appends and insists on success. */
export async function write(log: EventLog, append: Append): Promise<Extract<Appended, { kind: "appended" }>> {
  const answer = await log.append(append);
  if (answer.kind !== "appended") throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer;
}

/** Ids of the events of a stream, in order. */
export async function ids(log: EventLog, stream: StreamKey): Promise<string[]> {
  return (await log.read(stream, 0, wide)).events.map(({ id }) => id);
}
