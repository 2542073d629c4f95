/**
 * A group of appends and claims as one call of the database's `append`, and its answers back. Event texts go as parameters
 * of their own, to the letter and without being written as JSON a second time; what decides goes as one JSON text.
 */
import type { Fence, RunId, Seq, StreamKey, TenantId } from "../../../protocol/ids.ts";
import { parseTrusted } from "../../../protocol/json.ts";
import { packChunk } from "../chunk.ts";
import type { Append, Appended } from "../event-log.ts";
import { contentSum } from "./checksums.ts";
import type { Statement } from "./connection.ts";
import { type RunRow, recordOf } from "./run-row.ts";
import { shardOf } from "./shards.ts";

/** Takes a run over; `stream` where it is known. */
export interface Claim {
  readonly tenantId: TenantId;
  readonly runId: RunId;
  readonly stream: StreamKey | undefined;
}

export type Operation = Append | Claim;

/** Where an append was written; the epoch is the connection's. */
export type Placed = readonly [offset: number, seq: Seq, fence: Fence];
type Refusal = Exclude<Appended, { readonly kind: "appended" }>;
/** Of a claim: the fence and the seq, or nothing. */
export type Answer = Placed | readonly [fence: Fence, seq: Seq] | Refusal | undefined;

export interface AppendCall {
  /** Of the caller, so that it does not hear its own bell. */
  readonly node: string;
  /** Undefined: anywhere. */
  readonly timeline: string | undefined;
  readonly isOs: boolean;
}

/** Calls of so many texts or less are prepared, each number once a connection. */
const maxPreparedTexts = 32;

export function appendStatement(schema: string, operations: readonly Operation[], call: AppendCall): Statement {
  const texts: string[] = [];
  const ops = operations.map((operation, i) => ({ i, ...packed(operation, texts) }));
  const first = 5;
  const places = texts.map((_, at) => `$${at + first}`).join(", ");
  return {
    ...(texts.length <= maxPreparedTexts && { name: `${schema}.append ${texts.length}` }),
    text: `SELECT i, answer::text FROM ${schema}.append($1, $2, $3, $4::text::jsonb, ARRAY[${places}]::text[])`,
    values: [call.node, call.timeline ?? null, call.isOs, JSON.stringify(ops), ...texts],
  };
}

function packed(operation: Operation, texts: string[]): object {
  if (!("events" in operation)) {
    const { stream, tenantId, runId } = operation;
    return { claim: true, s: stream, t: tenantId, r: runId };
  }
  const { stream, events, run, escalate } = operation;
  // The array's places begin with 1.
  const at = texts.length + 1;
  const chunks: (number | string)[][] = [];
  for (let start = 0; start < events.length; ) {
    const { count, meta, data } = packChunk(events, start);
    texts.push(meta, data);
    start += count;
    const lastTime = events[start - 1]?.time ?? "";
    chunks.push([count, data.length, contentSum(stream, run?.runId, meta, data), lastTime]);
  }
  const keys = events.flatMap(({ key }, index) => (key === undefined ? [] : [[key.name, key.digest, index]]));
  const escalated = escalate?.map((index) => {
    const event = events[index];
    return [index, event?.id, event?.type, event?.time, event?.threadId ?? null];
  });
  const { create, approvals } = run ?? {};
  return {
    ...{ s: stream, b: shardOf(stream), claim: false, at, h: chunks, o: events[0]?.time, z: events.at(-1)?.time },
    ...(run && { t: run.tenantId, r: run.runId, q: run.expectedSeq, f: run.fence, e: run.ended }),
    ...(create && { c: create }),
    ...(run?.asksFamily && { g: true }),
    ...(approvals && approvals.length > 0 && { a: approvals }),
    ...(keys.length > 0 && { k: keys }),
    ...(escalated && escalated.length > 0 && { x: escalated }),
  };
}

export interface AnswerRow {
  readonly i: number;
  readonly answer: string | null;
}

/** By the order of the operations. */
export function answersOf(rows: readonly AnswerRow[]): readonly Answer[] {
  const answers: Answer[] = [];
  for (const { i, answer } of rows) answers[i] = answer === null ? undefined : answerOf(parseTrusted(answer));
  return answers;
}

function answerOf(told: unknown): Answer {
  if (Array.isArray(told)) return told as unknown as Placed;
  const refusal = told as Refusal;
  if (refusal.kind !== "run_exists") return refusal;
  return { kind: "run_exists", run: recordOf(refusal.run as unknown as RunRow) };
}
