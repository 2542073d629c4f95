/**
 * Events and appends as flat cells: how they cross from one thread to another. A flat array of strings and numbers
 * costs half of what objects cost, and every event crosses.
 */
import { asRunId, asTenantId, type StreamKey } from "../../protocol/ids.ts";
import type { TerminalState } from "../../protocol/run-view.ts";
import type { Append, NewEvent, NewRun, StoredEvent } from "./event-log.ts";
import { storedEvent } from "./stored-event.ts";

export type Cell = string | number | null;

/** What only some appends have; it crosses as an object, and the cells hold its index. */
export interface AppendExtra {
  readonly create?: NewRun | undefined;
  readonly approvals?: readonly string[] | undefined;
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
  textOrNull(): string | null {
    return this.#cells[this.#at++] as string | null;
  }
  number(): number {
    return this.#cells[this.#at++] as number;
  }
  numberOrNull(): number | null {
    return this.#cells[this.#at++] as number | null;
  }
}

function putEvent(cells: Cell[], event: Omit<NewEvent, "key">): void {
  cells.push(event.id, event.type, event.time, event.data, event.threadId ?? null, event.traceparent ?? null);
  cells.push(event.repaired === true ? 1 : 0);
}

function takeEvent(from: CellReader): Omit<NewEvent, "key"> {
  return {
    id: from.text(),
    type: from.text(),
    time: from.text(),
    data: from.text(),
    threadId: from.textOrNull() ?? undefined,
    traceparent: from.textOrNull() ?? undefined,
    repaired: from.number() === 1,
  };
}

export function putStored(cells: Cell[], event: StoredEvent): void {
  cells.push(event.offset, event.runId ?? null, event.seq ?? null);
  putEvent(cells, event);
}

/** All events that `putStored` laid down. */
export function takeStored(cells: readonly Cell[]): StoredEvent[] {
  const from = new CellReader(cells);
  const events: StoredEvent[] = [];
  while (!from.done) {
    const offset = from.number();
    const runId = from.textOrNull();
    const seq = from.numberOrNull();
    events.push(storedEvent(takeEvent(from), offset, runId === null ? undefined : asRunId(runId), seq ?? undefined));
  }
  return events;
}

export function putAppend(cells: Cell[], extras: AppendExtra[], append: Append): void {
  const { run, events } = append;
  const hasExtra = run !== undefined && (run.create !== undefined || run.approvals !== undefined);
  cells.push(append.stream, events.length, hasExtra ? extras.length : null);
  cells.push(
    run?.tenantId ?? null,
    run?.runId ?? null,
    run?.expectedSeq ?? null,
    run?.fence ?? null,
    run?.ended ?? null,
  );
  if (hasExtra) extras.push({ create: run.create, approvals: run.approvals });
  for (const event of events) {
    putEvent(cells, event);
    cells.push(event.key?.name ?? null, event.key?.digest ?? null);
  }
}

export function takeAppend(from: CellReader, extras: readonly AppendExtra[]): Append {
  const stream = from.text() as StreamKey;
  const eventCount = from.number();
  const extra = from.numberOrNull();
  const [tenantId, runId] = [from.textOrNull(), from.textOrNull()];
  const [expectedSeq, fence, ended] = [from.numberOrNull(), from.numberOrNull(), from.textOrNull()];
  const events: NewEvent[] = [];
  for (let index = 0; index < eventCount; index++) {
    const event = takeEvent(from);
    const [name, digest] = [from.textOrNull(), from.textOrNull()];
    events.push(name === null || digest === null ? event : { ...event, key: { name, digest } });
  }
  if (tenantId === null || runId === null || expectedSeq === null) return { stream, events };
  return {
    stream,
    events,
    run: {
      tenantId: asTenantId(tenantId),
      runId: asRunId(runId),
      expectedSeq,
      fence: fence ?? undefined,
      ended: (ended as TerminalState | null) ?? undefined,
      ...(extra !== null && extras[extra]),
    },
  };
}
