/** Retirement and compaction of the memory log: the reference for the other adapters, plain and synchronous. */
import { streamOwner } from "../../protocol/ids.ts";
import type { StreamKey } from "../../protocol/ids.ts";
import type { LostRange } from "./dead-letter.ts";
import {
  type Compact,
  type Compacted,
  type Retire,
  type Retired,
  type RetiredRange,
  tierKind,
} from "./housekeeping.ts";
import type { MemoryRun, MemoryStore, MemoryStream } from "./memory-store.ts";
import { joinDeltas } from "./merged-delta.ts";
import { cutOf, isNextOf, momentOf, retiredReason, unackedRange } from "./retire-rules.ts";

/** One slice of a sweep. `after` is how many streams the sweep has behind it. */
export function retire(store: MemoryStore, ask: Retire): Retired {
  const { now, maxEvents, after = "0" } = ask;
  store.letters = store.letters.filter(({ letter }) => letter.time >= ask.before);
  const streams: RetiredRange[] = [];
  let place = 0;
  let events = 0;
  for (const [key, stream] of store.streams) {
    place += 1;
    if (place <= Number(after)) continue;
    const before = momentOf(ask, key, ask.tiers && store.document(tierKind, key)?.value);
    if (before === undefined) continue;
    const range = retireFrom(store, key, stream, before, now, maxEvents);
    if (range === undefined) continue;
    streams.push(range);
    events += range.upto + 1 - range.from;
    // The same stream again: there may be more of it.
    if (events >= maxEvents) return { streams, next: String(place - 1) };
  }
  return { streams, next: null };
}

function retireFrom(
  store: MemoryStore,
  key: StreamKey,
  stream: MemoryStream,
  before: string,
  now: string,
  maxEvents: number,
): RetiredRange | undefined {
  const { first, head, acked } = stream;
  const young = stream.events.find(({ time }) => time >= before);
  // A merged delta is as young as its last part.
  const oldUpto = young === undefined ? head : young.offset - (stream.cuts.get(young.offset)?.length ?? 1);
  const runs = store.runs.filter(({ record }) => record.stream === key);
  const cut = cutOf(
    first,
    oldUpto,
    runs.map(({ record }) => record),
    maxEvents,
  );
  if (cut < first) return undefined;
  const gone = new Set(runs.filter(({ record }) => record.lastOffset <= cut));
  store.runs = store.runs.filter((run) => !gone.has(run));
  for (const run of gone) store.forget(run);
  for (const [name, { offset }] of stream.keys) if (offset <= cut) stream.keys.delete(name);
  for (const offset of stream.cuts.keys()) if (offset <= cut) stream.cuts.delete(offset);
  stream.events = stream.events.filter(({ offset }) => offset > cut);
  store.outbox.retire(key, cut);
  stream.first = cut + 1;
  const unacked = unackedRange(first, cut, acked);
  const dead = unacked === undefined ? 0 : unacked.upto + 1 - unacked.from;
  stream.dead += dead;
  if (unacked !== undefined) {
    const { tenantId } = streamOwner(key);
    buryRetired(store, { stream: key, tenantId, ...unacked, events: dead, reason: retiredReason, time: now });
  }
  return { stream: key, from: first, upto: cut, deadLettered: dead };
}

function buryRetired(store: MemoryStore, range: LostRange): void {
  const last = store.letters.findLast(({ letter }) => letter.kind === "retired" && letter.stream === range.stream);
  if (last?.letter.kind !== "retired" || !isNextOf(last.letter, range))
    return store.bury({ kind: "retired", ...range });
  store.letters = store.letters.filter((one) => one !== last);
  const { from, events } = last.letter;
  store.bury({ kind: "retired", ...range, from, events: events + range.events });
}

export function compact(store: MemoryStore, { endedBefore, maxEvents }: Compact): Compacted {
  let seen = 0;
  let merged = 0;
  for (const run of store.runs) {
    const isDue = run.record.ended !== undefined && !run.isCompact && (run.events.at(-1)?.time ?? "") < endedBefore;
    if (!isDue) continue;
    if (seen >= maxEvents) return { merged, more: true };
    seen += run.events.length;
    merged += compactRun(store, run);
  }
  return { merged, more: false };
}

function compactRun(store: MemoryStore, run: MemoryRun): number {
  run.isCompact = true;
  const stream = store.streams.get(run.record.stream);
  if (stream === undefined) return 0;
  const joined = joinDeltas(run.events.map((event) => ({ event, cuts: stream.cuts.get(event.offset) })));
  const merged = run.events.length - joined.length;
  if (merged === 0) return 0;
  const kept = new Map(joined.map(({ event }) => [event.offset, event]));
  const wasOwn = new Set(run.events.map(({ offset }) => offset));
  for (const { event, cuts } of joined) if (cuts !== undefined) stream.cuts.set(event.offset, cuts);
  run.events = [...kept.values()];
  stream.events = stream.events.flatMap((event) => (wasOwn.has(event.offset) ? (kept.get(event.offset) ?? []) : event));
  return merged;
}
