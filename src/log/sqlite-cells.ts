/**
 * Appends and chunks as flat cells: how they cross from one thread to another. A flat array of strings and numbers
 * costs half of what objects cost, and everything that is written or read crosses.
 */
import { asRunId, asTenantId, type RunId, type StreamKey, type TenantId } from "../../protocol/ids.ts";
import type { Mode, OnIllegal, Profile } from "../../protocol/http.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { Append, NewEvent, NewRun } from "./event-log.ts";
import { type Chunk, packChunk, type PlacedChunk } from "./chunk.ts";

export type Cell = string | number | null;

/** An append as the worker sees it: its events are packed, only their keys still stand alone. */
export interface PackedAppend {
  readonly stream: StreamKey;
  readonly run?: Append["run"];
  readonly keys: readonly PackedKey[];
  readonly chunks: readonly Chunk[];
  readonly escalations: readonly PackedEscalation[];
}

/** What a row of the outbox says of its event. */
export interface PackedEscalation extends Pick<NewEvent, "id" | "type" | "time" | "threadId"> {
  /** Of its event in the append. */
  readonly index: number;
}

export interface PackedKey {
  readonly key: NonNullable<NewEvent["key"]>;
  /** Of its event in the append. */
  readonly index: number;
}

/** Takes cells in the order in which they were put. The putter is this file too, so types are asserted, not checked. */
export class CellReader {
  readonly #cells: readonly Cell[];
  #at = 0;

  constructor(cells: readonly Cell[]) {
    this.#cells = cells;
  }

  get done(): boolean {
    return this.#at >= this.#cells.length;
  }
  text(): string {
    return this.#cells[this.#at++] as string;
  }
  textOrNone(): string | undefined {
    return (this.#cells[this.#at++] as string | null) ?? undefined;
  }
  number(): number {
    return this.#cells[this.#at++] as number;
  }
  numberOrNone(): number | undefined {
    return (this.#cells[this.#at++] as number | null) ?? undefined;
  }
}

const noIndexes: readonly number[] = [];

export function putPlaced(cells: Cell[], { firstOffset, runId, firstSeq, meta, data }: PlacedChunk): void {
  cells.push(firstOffset, runId ?? null, firstSeq ?? null, meta, data);
}

export function takePlaced(from: CellReader): PlacedChunk {
  const [firstOffset, runId] = [from.number(), from.textOrNone()];
  const [firstSeq, meta, data] = [from.numberOrNone(), from.text(), from.text()];
  return { firstOffset, runId: runId === undefined ? undefined : asRunId(runId), firstSeq, meta, data };
}

export function putAppend(cells: Cell[], { stream, run, events, escalate = noIndexes }: Append): void {
  cells.push(stream, run === undefined ? null : run.tenantId);
  if (run !== undefined) putRun(cells, run);
  putKeys(cells, events);
  const countAt = cells.push(0) - 1;
  let chunkCount = 0;
  for (let at = 0; at < events.length; chunkCount += 1) {
    const { count, meta, data } = packChunk(events, at);
    cells.push(count, meta, data);
    at += count;
  }
  cells[countAt] = chunkCount;
  cells.push(escalate.length);
  for (const index of escalate) {
    const { id, type, time, threadId } = events[index] as NewEvent;
    cells.push(index, id, type, time, threadId ?? null);
  }
}

export function takeAppend(from: CellReader): PackedAppend {
  const stream = from.text() as StreamKey;
  const tenantId = from.textOrNone();
  const run = tenantId === undefined ? undefined : takeTarget(from, asTenantId(tenantId), stream);
  const keys: PackedKey[] = [];
  for (let left = from.number(); left > 0; left--) {
    keys.push({ index: from.number(), key: { name: from.text(), digest: from.text() } });
  }
  const chunks: Chunk[] = [];
  for (let left = from.number(); left > 0; left--) {
    chunks.push({ count: from.number(), meta: from.text(), data: from.text() });
  }
  const escalations: PackedEscalation[] = [];
  for (let left = from.number(); left > 0; left--) {
    const [index, id, type] = [from.number(), from.text(), from.text()];
    escalations.push({ index, id, type, time: from.text(), threadId: from.textOrNone() });
  }
  return { stream, run, keys, chunks, escalations };
}

function putRun(cells: Cell[], run: NonNullable<Append["run"]>) {
  const { runId, expectedSeq, fence, ended, create, approvals, asksFamily } = run;
  cells.push(runId, expectedSeq, fence ?? null, ended ?? null, approvals?.length ?? 0);
  if (approvals !== undefined) cells.push(...approvals);
  cells.push(create === undefined ? null : create.agent);
  if (ended !== undefined || create !== undefined) cells.push(asksFamily === true ? 1 : 0);
  if (create === undefined) return;
  const { threadId, profile, onIllegal, mode, leaseMs, deadlineMs, parentRunId, startDigest, startedAt } = create;
  cells.push(threadId ?? null, profile, onIllegal, mode, leaseMs, deadlineMs ?? null, parentRunId ?? null);
  cells.push(startDigest, startedAt);
}

function takeTarget(from: CellReader, tenantId: TenantId, stream: StreamKey): NonNullable<Append["run"]> {
  const runId = asRunId(from.text());
  const [expectedSeq, fence, ended] = [from.number(), from.numberOrNone(), from.textOrNone()];
  const approvals: string[] = [];
  for (let left = from.number(); left > 0; left--) approvals.push(from.text());
  const agent = from.textOrNone();
  const asksFamily = (ended !== undefined || agent !== undefined) && from.number() === 1;
  const create = agent === undefined ? undefined : takeNewRun(from, { tenantId, runId, stream, agent });
  const target = { tenantId, runId, expectedSeq, fence, approvals, create, asksFamily };
  return { ...target, ended: ended as TerminalState | undefined };
}

function takeNewRun(
  from: CellReader,
  known: { readonly tenantId: TenantId; readonly runId: RunId; readonly stream: StreamKey; readonly agent: string },
): NewRun {
  const [threadId, profile] = [from.textOrNone(), from.text() as Profile];
  const [onIllegal, mode, leaseMs] = [from.text() as OnIllegal, from.text() as Mode, from.number()];
  const [deadlineMs, parent] = [from.numberOrNone(), from.textOrNone()];
  const parentRunId = parent === undefined ? undefined : asRunId(parent);
  const [startDigest, startedAt] = [from.text(), from.text()];
  return { ...known, threadId, profile, onIllegal, mode, leaseMs, deadlineMs, parentRunId, startDigest, startedAt };
}

function putKeys(cells: Cell[], events: readonly NewEvent[]): void {
  const countAt = cells.push(0) - 1;
  let keyCount = 0;
  for (let index = 0; index < events.length; index++) {
    const key = events[index]?.key;
    if (key === undefined) continue;
    cells.push(index, key.name, key.digest);
    keyCount += 1;
  }
  cells[countAt] = keyCount;
}
