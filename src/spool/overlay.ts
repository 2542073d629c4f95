/**
 * The tail of the log that the log does not have yet: what was accepted while it took nothing, at the places that it will
 * have there. What is added is what readers may see; it leaves when it has landed. Plain and synchronous.
 */
import type { Offset, RunId, RunKey, StreamKey, TenantId } from "../../protocol/ids.ts";
import { runKey } from "../../protocol/ids.ts";
import type { KnownKey, RunRecord, StoredEvent } from "../log/event-log.ts";
import { storedEvents } from "../log/stored-event.ts";
import { type Entry, entryBytes } from "./entry.ts";

/** An entry on its way. */
export interface Waiting {
  readonly entry: Entry;
  /** Whether the spool has it; else only this process does. */
  isSpooled: boolean;
  hasLanded: boolean;
}

export interface StreamTail {
  readonly key: StreamKey;
  /** The log reaches up to here; the tail begins behind it. */
  base: Offset;
  /** Dense. */
  readonly events: StoredEvent[];
}

interface RunTail {
  record: RunRecord;
  events: StoredEvent[];
  /** Entries of it that have not landed. */
  entries: number;
}

type Owner = { readonly tenantId: TenantId; readonly runId: RunId } | { readonly stream: StreamKey };
const ownerName = (owner: Owner): string => ("runId" in owner ? runKey(owner.tenantId, owner.runId) : owner.stream);
const approvalName = (tenantId: TenantId, approvalId: string): string => `${tenantId.length}:${tenantId}:${approvalId}`;

export class Overlay {
  /** Oldest first, until the spool need not keep it. */
  readonly order: Waiting[] = [];
  readonly #streams = new Map<StreamKey, StreamTail>();
  readonly #runs = new Map<RunKey, RunTail>();
  readonly #keys = new Map<string, Map<string, KnownKey>>();
  readonly #approvals = new Map<string, RunKey>();
  bytes = 0;
  eventCount = 0;

  get isEmpty(): boolean {
    return this.order.length === 0;
  }

  stream(key: StreamKey): StreamTail | undefined {
    return this.#streams.get(key);
  }

  streams(): Iterable<StreamTail> {
    return this.#streams.values();
  }

  run(
    tenantId: TenantId,
    runId: RunId,
  ): { readonly record: RunRecord; readonly events: readonly StoredEvent[] } | undefined {
    return this.#runs.get(runKey(tenantId, runId));
  }

  /** Every run that it has something of, as it is behind that; those that are made here last. */
  *records(): Iterable<RunRecord> {
    for (const { record } of this.#runs.values()) yield record;
  }

  key(owner: Owner, name: string): KnownKey | undefined {
    return this.#keys.get(ownerName(owner))?.get(name);
  }

  approval(tenantId: TenantId, approvalId: string): RunRecord | undefined {
    const name = this.#approvals.get(approvalName(tenantId, approvalId));
    return name === undefined ? undefined : this.#runs.get(name)?.record;
  }

  /** Shows an entry to readers. Answers with its events, as they see them. */
  add(entry: Entry, isSpooled: boolean): readonly StoredEvent[] {
    const { append, seq, record } = entry;
    const count = append.events.length;
    const tail = this.#streams.get(append.stream) ?? { key: append.stream, base: entry.offset - count, events: [] };
    this.#streams.set(append.stream, tail);
    // As it was placed, unless what stands before it has moved meanwhile.
    let events = storedEvents(append, tail.base + tail.events.length + count, seq);
    if (!isSpooled) events = events.map((event) => ({ ...event, durability: "none" }));
    tail.events.push(...events);
    if (append.run !== undefined && record !== undefined) this.#addToRun(append.run, record, events);
    this.#addKeys(entry, append.run ?? append);
    this.order.push({ entry, isSpooled, hasLanded: false });
    this.bytes += entryBytes(entry);
    this.eventCount += events.length;
    return events;
  }

  /** The spool has it now: from here on readers see it as any other. */
  confirm(waiting: Waiting): void {
    waiting.isSpooled = true;
    const { append, offset, seq } = waiting.entry;
    const before = append.events.length - 1;
    const tail = this.#streams.get(append.stream);
    const run = append.run && this.#runs.get(runKey(append.run.tenantId, append.run.runId));
    for (const [index, { id }] of append.events.entries()) {
      unmark(tail?.events, id, offset - before + index - (tail?.base ?? 0) - 1);
      unmark(run?.events, id, seq - before + index - (run?.events[0]?.seq ?? 0));
    }
  }

  /** It stands in the log, up to `at`; undefined: it never will, and what is behind it moves up. Answers how far that moves. */
  land(waiting: Waiting, at: Offset | undefined): number {
    waiting.hasLanded = true;
    const { append, offset } = waiting.entry;
    const count = append.events.length;
    this.bytes -= entryBytes(waiting.entry);
    this.eventCount -= count;
    const tail = this.#streams.get(append.stream);
    if (tail === undefined) return 0;
    const gone = tail.events.splice(0, count);
    const before = gone[0]?.offset ?? offset + 1 - count;
    const moved = at === undefined ? -count : at + 1 - count - before;
    tail.base = at ?? tail.base;
    if (moved !== 0) this.#move(tail);
    if (tail.events.length === 0) this.#streams.delete(append.stream);
    this.#leaveRun(waiting.entry);
    const keys = this.#keys.get(ownerName(append.run ?? append));
    for (const { key } of append.events) if (key !== undefined) keys?.delete(key.name);
    if (keys?.size === 0) this.#keys.delete(ownerName(append.run ?? append));
    return moved;
  }

  /** What has landed at the front needs no place in the spool any more. Answers how many of those it holds. */
  shift(): number {
    let landed = 0;
    while (this.order[landed]?.hasLanded === true) landed += 1;
    return this.order.splice(0, landed).filter(({ isSpooled }) => isSpooled).length;
  }

  #addToRun(run: NonNullable<Entry["append"]["run"]>, record: RunRecord, events: readonly StoredEvent[]): void {
    const name = runKey(run.tenantId, run.runId);
    const tail = this.#runs.get(name) ?? { record, events: [], entries: 0 };
    tail.record = record;
    tail.events.push(...events);
    tail.entries += 1;
    this.#runs.set(name, tail);
    for (const id of run.approvals ?? []) this.#approvals.set(approvalName(run.tenantId, id), name);
  }

  #leaveRun({ append: { run, events } }: Entry): void {
    if (run === undefined) return;
    const name = runKey(run.tenantId, run.runId);
    const tail = this.#runs.get(name);
    if (tail === undefined) return;
    tail.entries -= 1;
    tail.events.splice(0, events.length);
    for (const id of run.approvals ?? []) this.#approvals.delete(approvalName(run.tenantId, id));
    if (tail.entries === 0) this.#runs.delete(name);
  }

  #addKeys({ append, offset, seq }: Entry, owner: Owner): void {
    const before = append.events.length - 1;
    for (const [index, { key }] of append.events.entries()) {
      if (key === undefined) continue;
      const keys = this.#keys.get(ownerName(owner)) ?? new Map<string, KnownKey>();
      this.#keys.set(ownerName(owner), keys);
      const place = { seq: append.run === undefined ? 0 : seq - before + index, offset: offset - before + index };
      keys.set(key.name, { digest: key.digest, ...place });
    }
  }

  /** Closes up behind the base: what came between, or did not come, changes every place after it. */
  #move(tail: StreamTail): void {
    for (const [index, event] of tail.events.entries()) {
      const moved = { ...event, offset: tail.base + 1 + index };
      tail.events[index] = moved;
      const run = [...this.#runs.values()].find(({ events }) => events.includes(event));
      if (run === undefined) continue;
      run.events[run.events.indexOf(event)] = moved;
      const firstOffset = moved.seq === 1 ? moved.offset : run.record.firstOffset;
      run.record = { ...run.record, firstOffset, lastOffset: Math.max(firstOffset, run.events.at(-1)?.offset ?? 0) };
    }
  }
}

/** `at`: where it stands, unless it has moved. */
function unmark(events: StoredEvent[] | undefined, id: string, at: number): void {
  if (events === undefined) return;
  const index = events[at]?.id === id ? at : events.findIndex((event) => event.id === id);
  const marked = events[index];
  if (marked === undefined) return;
  const { durability: _, ...event } = marked;
  events[index] = event;
}
