/**
 * Reads of the log and of the tail that it does not have yet, as if they were one log: what every reader of the runtime
 * gets. Where the tail has all that is asked for, the log is not asked, so that live delivery goes on without it.
 */
import type { Epoch, Offset, StreamKey } from "../../protocol/ids.ts";
import type { EventLog, KnownKey, LedgerCount, Position, ReadLimit, RunRecord, StoredEvent } from "../log/event-log.ts";
import type { HeldCursors } from "./held-cursors.ts";
import type { Known } from "./known.ts";
import type { Overlay, StreamTail } from "./overlay.ts";

export interface MergedReadsTerms {
  readonly log: EventLog;
  readonly known: Known;
  readonly overlay: Overlay;
  readonly held: HeldCursors;
}

type Reads = Pick<
  EventLog,
  "position" | "read" | "living" | "run" | "runs" | "readRun" | "knownKeys" | "approval" | "cursor" | "ledger"
>;

export function mergedReads({ log, known, overlay, held }: MergedReadsTerms): Reads {
  function noted<Answer extends Position>(stream: StreamKey, answer: Answer): Answer {
    known.noteStream(stream, answer);
    return answer;
  }
  /** A run as it is behind the tail. */
  const newest = (record: RunRecord): RunRecord => overlay.run(record.tenantId, record.runId)?.record ?? record;
  const epochOf = (tail: StreamTail): { epoch: Epoch; first: Offset; head: Offset } => ({
    epoch: known.epoch ?? ("" as Epoch),
    first: known.stream(tail.key)?.first ?? 1,
    head: headOf(tail),
  });

  return {
    async position(stream) {
      const tail = overlay.stream(stream);
      if (tail !== undefined) return epochOf(tail);
      try {
        return noted(stream, await log.position(stream));
      } catch (cause) {
        const seen = known.stream(stream);
        if (seen === undefined || known.epoch === undefined) throw cause;
        return { epoch: known.epoch, ...seen };
      }
    },

    async read(stream, after, limit) {
      const tail = overlay.stream(stream);
      if (tail !== undefined && after >= tail.base) {
        const events = takeAfter(tail, after, limit);
        return { ...epochOf(tail), events, upto: events.at(-1)?.offset ?? after };
      }
      const slice = noted(stream, await log.read(stream, after, limit));
      // It may have landed meanwhile, or have come.
      const now = overlay.stream(stream);
      if (now === undefined) return slice;
      const head = Math.max(slice.head, headOf(now));
      const room = roomLeft(limit, slice.events);
      if (slice.upto < now.base || room === undefined) return { ...slice, head };
      const rest = takeAfter(now, slice.upto, room);
      return { ...slice, head, events: [...slice.events, ...rest], upto: rest.at(-1)?.offset ?? slice.upto };
    },

    async living(stream) {
      let answer = noted(stream, await log.living(stream));
      let tail = overlay.stream(stream);
      // What has landed since that look is in neither of the two: a snapshot would lack it.
      while (tail !== undefined && answer.head < tail.base) {
        answer = noted(stream, await log.living(stream));
        tail = overlay.stream(stream);
      }
      for (const record of answer.runs) known.noteRun(record);
      if (tail === undefined) return answer;
      const there = new Set(answer.runs.map(({ runId }) => runId));
      const born = [...overlay.records()].filter((record) => record.stream === stream && !there.has(record.runId));
      const runs = [...answer.runs.map(newest), ...born].filter(({ ended }) => ended === undefined);
      return { ...answer, head: Math.max(answer.head, headOf(tail)), runs };
    },

    async run(tenantId, runId) {
      const here = overlay.run(tenantId, runId)?.record;
      if (here !== undefined) return here;
      const record = await log.run(tenantId, runId);
      if (record !== undefined) known.noteRun(record);
      return overlay.run(tenantId, runId)?.record ?? record;
    },

    async runs(query) {
      const page = await log.runs(query);
      if (overlay.isEmpty) return page;
      const isWanted = (record: RunRecord): boolean =>
        (query.tenantId === undefined || record.tenantId === query.tenantId) &&
        (query.stream === undefined || record.stream === query.stream) &&
        (query.living === undefined || (record.ended === undefined) === query.living);
      const runs = page.runs.map(newest).filter(isWanted);
      if (query.before !== undefined) return { ...page, runs };
      const there = new Set(page.runs.map(({ tenantId, runId }) => `${runId}/${tenantId}`));
      const born = [...overlay.records()].filter(
        (record) => record.firstOffset > (overlay.stream(record.stream)?.base ?? Number.POSITIVE_INFINITY),
      );
      const fresh = born.filter((record) => isWanted(record) && !there.has(`${record.runId}/${record.tenantId}`));
      // Newest first. The page may hold more than was asked for: they have no place in the log's order yet.
      return { ...page, runs: [...fresh.toReversed(), ...runs] };
    },

    async readRun(tenantId, runId, afterSeq, limit) {
      const first = overlay.run(tenantId, runId)?.events[0]?.seq;
      const there =
        first !== undefined && afterSeq >= first - 1 ? [] : await log.readRun(tenantId, runId, afterSeq, limit);
      const tail = overlay.run(tenantId, runId)?.events ?? [];
      const upto = there.at(-1)?.seq ?? afterSeq;
      const room = roomLeft(limit, there);
      const begins = tail[0]?.seq;
      if (begins === undefined || upto + 1 < begins || room === undefined) return there;
      return [...there, ...taken(tail, upto + 1 - begins, room)];
    },

    async knownKeys(owner, names) {
      const found = new Map<string, KnownKey>();
      const here = names.filter((name) => {
        const known = overlay.key(owner, name);
        if (known !== undefined) found.set(name, known);
        return known !== undefined;
      });
      if (here.length === names.length) return found;
      for (const [name, known] of await log.knownKeys(owner, names)) if (!found.has(name)) found.set(name, known);
      return found;
    },

    async approval(tenantId, approvalId, stream) {
      const here = overlay.approval(tenantId, approvalId);
      if (here !== undefined && (stream === undefined || here.stream === stream)) return here;
      const record = await log.approval(tenantId, approvalId, stream);
      return record && newest(record);
    },

    cursor: async (stream, device) => Math.max(held.of(stream, device), await log.cursor(stream, device)),

    async ledger(stream) {
      const total: { -readonly [Name in keyof LedgerCount]: number } = { ...(await log.ledger(stream)) };
      for (const tail of overlay.streams()) {
        if (stream !== undefined && tail.key !== stream) continue;
        const acked = Math.min(Math.max(held.acked(tail.key) - tail.base, 0), tail.events.length);
        total.accepted += tail.events.length;
        total.acked += acked;
        total.stored += tail.events.length - acked;
      }
      return total;
    },
  };
}

const headOf = ({ base, events }: StreamTail): Offset => base + events.length;

const takeAfter = ({ base, events }: StreamTail, after: Offset, limit: ReadLimit): readonly StoredEvent[] =>
  taken(events, after - base, limit);

/** At least one, whatever its size. */
function taken(events: readonly StoredEvent[], start: number, { maxEvents, maxBytes }: ReadLimit): StoredEvent[] {
  const found: StoredEvent[] = [];
  let bytes = 0;
  for (let at = start; at < events.length && found.length < maxEvents; at += 1) {
    const event = events[at];
    if (event === undefined) break;
    bytes += event.data.length;
    if (bytes > maxBytes && found.length > 0) break;
    found.push(event);
  }
  return found;
}

/** Undefined: nothing more fits. */
function roomLeft(limit: ReadLimit, events: readonly StoredEvent[]): ReadLimit | undefined {
  if (events.length === 0) return limit;
  let maxBytes = limit.maxBytes;
  for (const { data } of events) maxBytes -= data.length;
  const maxEvents = limit.maxEvents - events.length;
  return maxEvents > 0 && maxBytes > 0 ? { maxEvents, maxBytes } : undefined;
}
